"""What the answers of models behind servers will take of their budgets, told before they are asked."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestrator.estimate import Cost
from orchestrator.identity import Artifact
from orchestrator.pools import SERVER
from orchestrator.refusal import Refused


def refuse_without_budget(to_make: Iterable[Artifact]) -> None:
    """Raises Refused where a pool is to be written by a server that may be asked for nothing."""
    for artifact in to_make:
        for name in ("budget_tokens", "budget_dollars"):
            if _server(artifact).get(name) == 0:
                raise Refused(
                    f"strategy.server.{name}=0 allows no request, and the pool of '{artifact.label}' is "
                    "still to be written: raise it, or set it to null for no limit"
                )


def spending(to_make: Iterable[Artifact], costs: Mapping[str, Cost]) -> Iterator[str]:
    """A line for each pool that a server writes: its estimate beside its budget."""
    for artifact in to_make:
        cost, server = costs[artifact.key], _server(artifact)
        if cost.dollars is None or not server:
            continue
        low = [
            f"strategy.server.{name}={server[name]} will not be enough"
            for name, need in (("budget_tokens", cost.tokens), ("budget_dollars", cost.dollars))
            if server[name] is not None and server[name] < need
        ]
        yield (
            f"pool of {artifact.label}: about {cost.tokens:,} tokens read and written by models "
            f"{_where(server)}, ${cost.dollars:,.2f}{''.join(f'; {each}' for each in low)}"
        )


def _where(server: Mapping[str, Any]) -> str:
    return f"at {server['url']}" if server["kind"] == "openai" else f"of {server['kind']} in the job itself"


def _server(artifact: Artifact) -> Mapping[str, Any]:
    return artifact.places.get(SERVER, {}) if artifact.kind == "pool" else {}
