"""The verb `why`: what one cell is made from, what holds it back, and what is nearest to it on disk."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.artifacts import Store
from orchestrator.identity import KINDS, Artifact, defining
from orchestrator.ledger import Ledger
from orchestrator.refusal import Refused
from orchestrator.retention import tombstone
from orchestrator.study import artifacts_of, cell_state, find, makings

# More cells than this say nothing that `status` does not say better.
AT_MOST = 20


def show(study: str, conditions: Sequence[str], outputs: Path, *, as_json: bool) -> int:
    """Explain the cells that match `axis=value` conditions."""
    found = find(study, outputs)
    newest = found.latest()
    assert newest is not None, "find() returns studies with a plan"
    document = newest[1]
    artifacts = artifacts_of(document)
    ledger = Ledger.at(found.outputs)
    states = ledger.states(artifacts)
    cells = matching(document["cells"], conditions)
    explained = []
    for cell in cells[:AT_MOST]:
        made_from = makings(cell, artifacts)
        steps = [_step(artifact, str(states[artifact.key]), ledger) for artifact in made_from]
        explained.append({"axes": cell["axes"], "state": str(cell_state(cell, states)), "artifacts": steps})
    if as_json:
        sys.stdout.write(json.dumps(explained, indent=1) + "\n")
    else:
        _print(explained, len(cells))
    return 0


def matching(cells: Sequence[Mapping[str, Any]], conditions: Sequence[str]) -> list[Mapping[str, Any]]:
    """The cells that meet all conditions. Raises Refused where none does, or where one names no axis."""
    wanted = {}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if not equals:
            raise Refused(f"'{condition}' is no condition: write axis=value, for example amount=512")
        # `seed` is short for both seeds, as on the command line of `run`.
        for axis in ("subset_seed", "train_seed") if name == "seed" else (name,):
            wanted[axis] = value
    names = list(dict.fromkeys(name for cell in cells for name in cell["axes"]))
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise Refused(f"'{unknown[0]}' is no axis of this study; its axes are {', '.join(names)}")
    found = [
        cell for cell in cells if all(_is(cell["axes"].get(name), text) for name, text in wanted.items())
    ]
    if not found:
        there = {name: sorted({str(cell["axes"].get(name)) for cell in cells}) for name in wanted}
        listed = "; ".join(f"{name} is one of {', '.join(values)}" for name, values in there.items())
        raise Refused(f"no cell of this study has {' '.join(conditions)}: {listed}")
    return found


def _is(value: Any, text: str) -> bool:
    """Whether a value may be written so."""
    if value is None or isinstance(value, bool):
        return text.lower() == json.dumps(value)
    if isinstance(value, int | float):
        try:
            return float(text) == value
        except ValueError:
            return False
    return str(value) == text


def _step(artifact: Artifact, state: str, ledger: Ledger) -> dict[str, Any]:
    failure = ledger.failures.of(artifact.key) if state == "failed" else None
    return {
        "kind": artifact.kind,
        "key": artifact.key,
        "state": state,
        "label": artifact.label,
        "folder": str(ledger.store.folder(artifact.kind, artifact.key)),
        "failure": {name: failure[name] for name in ("cause", "message", "log")} if failure else None,
        "evicted": tombstone(ledger.store, artifact),
        "nearest": nearest(artifact, ledger.store) if state != "complete" else None,
    }


def nearest(artifact: Artifact, store: Store) -> dict[str, Any] | None:
    """The complete artifact of the same kind that differs in the fewest fields, and those fields."""
    mine = dict(_flat({"spec": artifact.spec, "inputs": defining(artifact.inputs)}))
    best: dict[str, Any] | None = None
    for key in sorted(store.keys(artifact.kind)):
        manifest = store.manifest(artifact.kind, key)
        theirs = dict(_flat({"spec": manifest["spec"], "inputs": defining(manifest["inputs"])}))
        names = sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))
        if best is None or len(names) < len(best["differs"]):
            differs = {name: {"here": mine.get(name), "there": theirs.get(name)} for name in names}
            best = {"key": key, "differs": differs}
    return best


def _flat(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    """Dotted names and leaves."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from _flat(inner, f"{name}[{position}]")
    else:
        yield name, value


def _print(explained: Sequence[Mapping[str, Any]], n_matching: int) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for cell in explained:
        console.print(
            f"{' '.join(f'{name}={value}' for name, value in cell['axes'].items())}: {cell['state']}"
        )
        for step in sorted(cell["artifacts"], key=lambda step: KINDS.index(step["kind"])):
            console.print(f"  {step['kind']:<12}{step['state']:<10}{step['folder']}")
            if stone := step["evicted"]:
                moment = datetime.fromtimestamp(stone["evicted"], UTC)
                console.print(
                    f"    weights evicted {moment:%Y-%m-%d %H:%M} UTC by study '{stone['study']}' "
                    f"(keep={stone['keep']}): its records stay, anything new trains it again"
                )
            if step["failure"]:
                console.print(f"    {step['failure']['cause']}: {step['failure']['message']}")
                console.print(f"    log: {step['failure']['log']}")
            if step["nearest"]:
                console.print(f"    nearest on disk: {step['nearest']['key']}, which differs in")
                for name, sides in step["nearest"]["differs"].items():
                    console.print(f"      {name}: {sides['here']!r} here, {sides['there']!r} there")
    if n_matching > len(explained):
        console.print(f"... and {n_matching - len(explained)} more; add conditions")
