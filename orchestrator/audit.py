"""What sharing a trunk changes: both ends of its chains against the same amounts trained by themselves."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import log2
from statistics import mean
from typing import Any

from orchestrator.artifacts import Store
from orchestrator.identity import canonical


@dataclass(frozen=True)
class Bias:
    """Of one amount on one benchmark: what the trunk's cooldown has more than the training by itself."""

    way: str  # in which the other was trained, see `settings.Way`
    chain: str  # JSON of the axes that tell chains apart
    amount: int
    benchmark: str
    accuracy: float  # in points
    nll_per_token: float | None  # None: no likelihood was asked for
    same_weights: bool  # bit for bit


def biases(document: Mapping[str, Any], store: Store) -> list[Bias]:
    """Of a plan, as far as both sides are complete."""
    found = []
    for audit in document.get("audits", ()):
        for benchmark, keys in audit["record"].items():
            if not all(store.has("record", key) for key in keys):
                continue
            shared, alone = (store.manifest("record", key)["summary"] for key in keys)
            chain = {name: value for name, value in audit["axes"].items() if name != "amount"}
            found.append(
                Bias(
                    audit["way"],
                    canonical(chain),
                    audit["axes"]["amount"],
                    benchmark,
                    100 * (_accuracy(shared) - _accuracy(alone)),
                    _difference(shared["nll_per_token"], alone["nll_per_token"]),
                    _same([_weights(store, key) for key in audit["checkpoint"]]),
                )
            )
    return found


def sentences(found: Sequence[Bias]) -> Iterator[str]:
    """For each way, strategy and benchmark: the mean over chains at both ends, and what a slope has of it."""
    groups: dict[tuple[str, str, str], dict[str, list[Bias]]] = defaultdict(lambda: defaultdict(list))
    for bias in found:
        chain = json.loads(bias.chain)
        name = " ".join(str(value) for axis, value in chain.items() if not axis.endswith("_seed"))
        groups[bias.way, name, bias.benchmark][bias.chain].append(bias)
    for (way, name, benchmark), chains in groups.items():
        ends = [sorted(chain, key=lambda bias: bias.amount) for chain in chains.values()]
        equal = [bias.same_weights for chain in ends for bias in chain]
        yield (
            f"audit, {way}: the trunk of {name} is off on {benchmark} by "
            f"{_at([chain[0] for chain in ends])} and {_at([chain[-1] for chain in ends])}"
            f"{_slope(ends)}; weights are the same bit for bit in {sum(equal)} of {len(equal)}"
        )


def table(found: Sequence[Bias]) -> str:
    """CSV, a line for each bias."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Bias)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(bias) for bias in found)
    return text.getvalue()


def _at(end: Sequence[Bias]) -> str:
    """The mean over the chains at one end."""
    amounts = " or ".join(str(amount) for amount in sorted({bias.amount for bias in end}))
    nll = [bias.nll_per_token for bias in end if bias.nll_per_token is not None]
    likelihood = f", {mean(nll):+.2g} nats per token" if nll else ""
    return f"{mean(bias.accuracy for bias in end):+.2f} points{likelihood} at {amounts}"


def _slope(ends: Sequence[Sequence[Bias]]) -> str:
    slopes = [
        (chain[-1].accuracy - chain[0].accuracy) / log2(chain[-1].amount / chain[0].amount)
        for chain in ends
        if chain[-1].amount > chain[0].amount > 0
    ]
    return f": {mean(slopes):+.2f} points per doubling ({len(slopes)} chains)" if slopes else ""


def _accuracy(summary: Mapping[str, Any]) -> float:
    return float(summary["n_correct"] / (summary["n_items"] * summary["n_samples"]))


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _weights(store: Store, key: str) -> dict[str, str]:
    """The digests of a checkpoint's weights."""
    files = store.manifest("checkpoint", key)["files"]
    return {name: known["sha256"] for name, known in files.items() if name.endswith(".safetensors")}


def _same(sides: Sequence[Mapping[str, str]]) -> bool:
    one, other = sides
    return one == other
