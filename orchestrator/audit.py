"""What sharing a trunk changes: both ends of its chains against the same amounts trained by themselves."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from math import log2
from operator import attrgetter
from statistics import mean
from typing import Any

from orchestrator import trunks
from orchestrator.artifacts import Store
from orchestrator.cell import Cell
from orchestrator.identity import canonical
from orchestrator.plan import Audit, Plan, PlannedCell, Planner
from orchestrator.refusal import Refused
from orchestrator.settings import Way


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


def planned(planner: Planner, points: Iterable[tuple[Mapping[str, Any], Cell]], ways: Sequence[Way]) -> Plan:
    """A plan, with both ends of every chain that has a trunk trained by themselves too.

    Raises Refused where that is asked for and there is no trunk, beside what the planner refuses.
    """
    plan = planner.plan(points)
    if not ways:
        return plan
    chains: dict[str, list[PlannedCell]] = defaultdict(list)
    for one in plan.cells:
        if one.checkpoint and one.cell.train.trunk:
            place = {name: value for name, value in one.axes.items() if name != "amount"}
            chains[canonical(place)].append(one)
    if not chains:
        raise Refused(f"audit=[{','.join(ways)}] is of trunks, and no cell has one (train.trunk)")
    ends = [end(chain, key=attrgetter("amount")) for chain in chains.values() for end in (min, max)]
    audits = {
        (way, one.checkpoint): Audit(way, one, planner.cell(one.axes, _by_itself(one, way, plan)))
        for way, one in product(ways, ends)
    }
    return planner.finished(plan.cells, tuple(audits.values()))


def _by_itself(planned: PlannedCell, way: Way, plan: Plan) -> Cell:
    n_rows = plan.artifacts[planned.checkpoint or ""].spec["subset"]["n"]
    return trunks.by_itself(planned.cell, way, n_rows)


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
