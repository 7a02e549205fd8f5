"""A study as a plan of it has it, ready to be made: what everybody reads who did not plan it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.identity import Artifact, Kind, made_of
from orchestrator.ledger import Ledger, State, wanted
from orchestrator.note import read_note
from orchestrator.pace import Pace, declared
from orchestrator.shapes import model_of
from orchestrator.study import StudyFolder, artifacts_of, cell_state

# Inputs of everything come first; then what is nearest to a record, so that results show early.
URGENCY: Mapping[Kind, int] = {
    "base": 0,
    "pool": 1,
    "trunk": 2,
    "record": 3,
    "completions": 4,
    "checkpoint": 5,
}
LOST = (State.FAILED, State.BLOCKED)


@dataclass(frozen=True)
class Saved:
    """One plan of a study, and the ledger of what is on disk."""

    study: StudyFolder
    ledger: Ledger
    number: int  # of the plan
    document: Mapping[str, Any]
    artifacts: Mapping[str, Artifact]
    pace: Pace
    seconds: Mapping[str, float]  # predicted by it, of one worker

    @classmethod
    def of(
        cls, study: StudyFolder, number: int, document: Mapping[str, Any], pace: Pace | None = None
    ) -> "Saved":
        """A plan that was just written or read; without a pace, the one that its cluster declares.

        A plan stays the same where only its cluster or its pace changes.
        """
        pace = pace or declared(document["settings"]["cluster"]["flops_per_second"])
        artifacts = artifacts_of(document)
        seconds = pace.predicted(artifacts, document["artifacts"])
        return cls(study, Ledger.at(study.outputs), number, document, artifacts, pace, seconds)

    @classmethod
    def newest(cls, study: StudyFolder) -> "Saved":
        """The newest plan of a study that has one."""
        newest = study.latest()
        assert newest is not None, "studies that are found have a plan"
        run = study.newest_run()
        return cls.of(study, *newest, read_note(study.jobs(run)).known_pace if run else None)

    def states(self) -> dict[str, State]:
        """How far every artifact is."""
        return self.ledger.states(self.artifacts)

    def left(self, states: Mapping[str, State]) -> dict[str, Artifact]:
        """What is wanted, not there, and not given up."""
        complete = {key for key, state in states.items() if state == State.COMPLETE}
        to_make = wanted(self.artifacts, complete)
        return {key: artifact for key, artifact in to_make.items() if states[key] not in LOST}

    def by_urgency(self, to_make: Mapping[str, Artifact]) -> tuple[str, ...]:
        """Keys, those first that others wait for or that show results; among equals the longest first."""
        of_pools = (key for made in to_make.values() if made.kind == "pool" for key in made.inputs.values())
        for_pools = made_of(of_pools, self.artifacts, without=self.artifacts.keys() - to_make.keys())

        def turn(key: str) -> tuple[Any, ...]:
            first = key in for_pools
            return (not first, *self._turn(to_make[key]), -self.seconds[key], key)

        return tuple(sorted(to_make, key=turn))

    def _turn(self, artifact: Artifact) -> tuple[int, str, str]:
        """Results as early as they can be, but those of one engine together, when all weights are there."""
        if not artifact.shares_engine:
            return URGENCY[artifact.kind], "", ""
        return len(URGENCY), model_of(artifact, self.artifacts) or "", artifact.inputs["weights"]

    def cell_states(self, states: Mapping[str, State]) -> list[State]:
        """How far every cell is, in the order of the plan."""
        return [cell_state(cell, states) for cell in self.document["cells"]]
