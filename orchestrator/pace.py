"""How long things take: seconds beside the arithmetic and FLOPs per second, declared or measured."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from orchestrator.identity import KINDS, Artifact, Kind, digest
from orchestrator.specs import Spec

# Starting, reading and writing; what an artifact takes beside its arithmetic. Seconds, on this kind of task.
OVERHEAD: Mapping[Kind, float] = {
    "pool": 2.0,
    "base": 1.0,
    "trunk": 0.2,
    "checkpoint": 0.2,
    "completions": 0.2,
    "record": 0.1,
}


class Pace(Spec):
    """Seconds beside the arithmetic and FLOPs per second, by kind; and seconds that are known outright."""

    overhead: dict[Kind, float]
    rate: dict[Kind, float]
    known: dict[str, float] = Field(default_factory=dict)  # by `task`: measured with other weights
    n_measured: int = 0

    def seconds(self, kind: Kind, spec: Mapping[str, Any], flops: float) -> float:
        """Of one worker."""
        if kind in TASKS and self.known and (took := self.known.get(task(kind, spec, flops))) is not None:
            return took
        return self.overhead[kind] + flops / self.rate[kind]

    def predicted(
        self, artifacts: Mapping[str, Artifact], described: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, float]:
        """Seconds of each artifact of a plan, by key; `described` has their FLOPs."""
        known: dict[tuple[int, float], float] = {}  # specs are shared by many artifacts
        seconds = {}
        for key, artifact in artifacts.items():
            flops = float(described[key]["cost"]["flops"])
            alike = (id(artifact.spec), flops)
            if alike not in known:
                known[alike] = self.seconds(artifact.kind, artifact.spec, flops)
            seconds[key] = known[alike]
        return seconds


# These do the same for all weights, whatever their seeds and amounts.
TASKS = ("completions", "record")


def task(kind: Kind, spec: Mapping[str, Any], flops: float) -> str:
    """The same for what takes equally long: one benchmark, one model's size."""
    return digest([kind, dict(spec), round(flops)])


def declared(flops_per_second: float) -> Pace:
    """As the cluster's configuration has it."""
    return Pace(overhead=dict(OVERHEAD), rate=dict.fromkeys(KINDS, flops_per_second))
