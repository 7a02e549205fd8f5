"""What has been, what runs, what failed: read from the files, never remembered."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.artifacts import Store
from orchestrator.files import read_json, write_json
from orchestrator.identity import Artifact
from orchestrator.leases import Leases


class State(StrEnum):
    """Of an artifact."""

    COMPLETE = "complete"
    RUNNING = "running"
    FAILED = "failed"
    READY = "ready"  # all it is made from is complete
    WAITING = "waiting"  # something it is made from is still to come
    BLOCKED = "blocked"  # something it is made from failed


class Failures:
    """Why artifacts could not be made; the latest reason each."""

    def __init__(self, outputs: Path) -> None:
        self.folder = outputs / "artifacts" / ".failures"

    def record(self, key: str, about: Mapping[str, Any]) -> None:
        """`about` has run, label, cause, message, traceback, log."""
        write_json(self.folder / f"{key}.json", {**about, "attempts": self.attempts(key) + 1})

    def of(self, key: str) -> dict[str, Any] | None:
        """The latest failure of an artifact."""
        path = self.folder / f"{key}.json"
        try:
            failure: dict[str, Any] = read_json(path)
        except FileNotFoundError:
            return None
        return failure

    def attempts(self, key: str) -> int:
        """How often it failed since it was last forgotten."""
        failure = self.of(key)
        return failure["attempts"] if failure else 0

    def forget(self, key: str) -> None:
        """Called before a new try that the user asked for, and after success."""
        (self.folder / f"{key}.json").unlink(missing_ok=True)

    def failed(self) -> set[str]:
        """All artifacts whose last try failed."""
        if not self.folder.is_dir():
            return set()
        return {path.stem for path in self.folder.glob("*.json")}


@dataclass(frozen=True)
class Ledger:
    """The three places where the truth lies."""

    store: Store
    leases: Leases
    failures: Failures

    @classmethod
    def at(cls, outputs: Path) -> "Ledger":
        """The ledger of one outputs folder."""
        return cls(Store(outputs), Leases(outputs), Failures(outputs))

    def states(self, artifacts: Mapping[str, Artifact]) -> dict[str, State]:
        """Of every artifact, by one listing of each place."""
        complete = self.store.complete(artifacts.values())
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


def wanted(artifacts: Mapping[str, Artifact], complete: set[str]) -> dict[str, Artifact]:
    """What must be made: derived backwards from the records that are missing."""
    needed: dict[str, Artifact] = {}

    def need(key: str) -> None:
        if key in complete or key in needed:
            return
        needed[key] = artifacts[key]
        for made_from in artifacts[key].inputs.values():
            need(made_from)

    for key, artifact in artifacts.items():
        if artifact.kind == "record":
            need(key)
    return needed
