"""What has been, what runs, what failed: read from the files, never remembered."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator import triage
from orchestrator.artifacts import Store
from orchestrator.files import read_json, write_json
from orchestrator.identity import Artifact, made_of
from orchestrator.leases import Leases
from orchestrator.settings import LocalCluster, SlurmCluster


class State(StrEnum):
    """Of an artifact."""

    COMPLETE = "complete"
    RUNNING = "running"
    FAILED = "failed"
    READY = "ready"  # all it is made from is complete
    WAITING = "waiting"  # something it is made from is still to come
    BLOCKED = "blocked"  # something it is made from failed


class Attempts:
    """What went wrong with each artifact so far, try by try; nothing once it is complete."""

    def __init__(self, outputs: Path) -> None:
        self.folder = outputs / "artifacts" / ".attempts"

    def of(self, key: str) -> list[dict[str, Any]]:
        """The tries that failed or were cut short, oldest first."""
        try:
            attempts: list[dict[str, Any]] = read_json(self.folder / f"{key}.json")
        except FileNotFoundError:
            return []
        return attempts

    def add(self, key: str, attempt: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All tries, this one included. An attempt has run, job, node, cause, message, traceback, log."""
        attempts = [*self.of(key), dict(attempt)]
        write_json(self.folder / f"{key}.json", attempts)
        return attempts

    def forget(self, key: str) -> None:
        """Called before a new start that the user asked for, and after success."""
        (self.folder / f"{key}.json").unlink(missing_ok=True)

    def known(self) -> set[str]:
        """All artifacts with a try that went wrong."""
        return _keys(self.folder)


class Failures:
    """Why artifacts will not be made: their last attempt, where no further one would help."""

    def __init__(self, outputs: Path) -> None:
        self.folder = outputs / "artifacts" / ".failures"

    def record(self, key: str, failure: Mapping[str, Any]) -> None:
        """The last attempt, how many `attempts` there were, and `advice`."""
        write_json(self.folder / f"{key}.json", failure)

    def of(self, key: str) -> dict[str, Any] | None:
        """Why it was given up; None where it was not."""
        try:
            failure: dict[str, Any] = read_json(self.folder / f"{key}.json")
        except FileNotFoundError:
            return None
        return failure

    def forget(self, key: str) -> None:
        """Called before a new start that the user asked for, and after success."""
        (self.folder / f"{key}.json").unlink(missing_ok=True)

    def failed(self) -> set[str]:
        """All artifacts that were given up."""
        return _keys(self.folder)


def _keys(folder: Path) -> set[str]:
    if not folder.is_dir():
        return set()
    return {path.stem for path in folder.glob("*.json") if not path.name.startswith(".")}


@dataclass(frozen=True)
class Ledger:
    """The places where the truth lies."""

    store: Store
    leases: Leases
    attempts: Attempts
    failures: Failures

    @classmethod
    def at(cls, outputs: Path) -> "Ledger":
        """The ledger of one outputs folder."""
        return cls(Store(outputs), Leases(outputs), Attempts(outputs), Failures(outputs))

    def blame(self, key: str, attempt: Mapping[str, Any], cluster: LocalCluster | SlurmCluster) -> None:
        """Write down what went wrong with a try; whether there will be another depends on all of them."""
        attempts = self.attempts.add(key, attempt)
        if triage.final(attempts, cluster):
            advice = triage.policy(attempt["cause"]).advice
            self.failures.record(key, {**attempt, "advice": advice, "attempts": len(attempts)})

    def forget(self, key: str) -> None:
        """A fresh start: as if it had never been tried."""
        self.attempts.forget(key)
        self.failures.forget(key)

    def complete(self, artifacts: Mapping[str, Artifact]) -> set[str]:
        """The keys of those that are there, for what is to be made of them here.

        A checkpoint without its weights counts as long as no record that is missing asks for them.
        """
        there = self.store.complete(artifacts.values())
        evicted = self.store.without_weights(artifacts[key] for key in there)
        return there - needed_again(evicted, lambda again: wanted(artifacts, there - again).values())

    def states(self, artifacts: Mapping[str, Artifact]) -> dict[str, State]:
        """Of every artifact, by one listing of each place."""
        complete = self.complete(artifacts)
        running = self.leases.live()
        failed = self.failures.failed()
        states: dict[str, State] = {}

        def state(key: str) -> State:
            if key not in states:
                states[key] = judge(key)
            return states[key]

        def judge(key: str) -> State:
            if key in complete:
                return State.COMPLETE
            if key in running:
                return State.RUNNING
            if key in failed:
                return State.FAILED
            inputs = {state(made_from) for made_from in artifacts[key].inputs.values()}
            if inputs & {State.FAILED, State.BLOCKED}:
                return State.BLOCKED
            return State.READY if inputs <= {State.COMPLETE} else State.WAITING

        return {key: state(key) for key in artifacts}


def needed_again(evicted: set[str], missing: Callable[[set[str]], Iterable[Artifact]]) -> set[str]:
    """Of checkpoints without weights, those that something missing is made from.

    `missing` says what is to be made where some of them count as absent; those may need others.
    """
    again: set[str] = set()
    while left := evicted - again:
        more = left & {key for made in missing(again) for key in made.inputs.values()}
        if not more:
            break
        again |= more
    return again


def wanted(artifacts: Mapping[str, Artifact], complete: set[str]) -> dict[str, Artifact]:
    """What must be made: derived backwards from the records that are missing."""
    records = (key for key, artifact in artifacts.items() if artifact.kind == "record")
    return made_of(records, artifacts, without=complete)
