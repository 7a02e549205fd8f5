"""What a worker makes next: whatever of a run is ready, or what its own job was given."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator import triage
from orchestrator.identity import Artifact, Kind
from orchestrator.leases import Lease
from orchestrator.ledger import Ledger
from orchestrator.note import stop_file

POLL = 0.25

Claim = tuple[Artifact, Lease]


class Shared:
    """What is left of a run, shared by all its workers: the files tell it at the moment of asking."""

    def __init__(
        self, order: Sequence[str], artifacts: Mapping[str, Artifact], ledger: Ledger, folder: Path
    ) -> None:
        self.artifacts = artifacts
        self.kinds = {key: artifact.kind for key, artifact in artifacts.items()}
        self._ledger = ledger
        self._folder = folder  # of the run
        self._left = list(order)
        self._given_up: set[str] = set()

    def claims(self, about: Mapping[str, str]) -> Iterator[Claim]:
        """Take the most urgent of what can be made, again and again; wait where nothing can be made yet."""
        while unfinished := self.unfinished():
            claim = self._claim(unfinished, about)
            if claim is None:
                time.sleep(POLL)
            else:
                yield claim

    def unfinished(self) -> list[Artifact]:
        """What is neither complete, nor failed, nor made from something that failed; nothing once stopped."""
        if stop_file(self._folder).exists():
            return []
        complete = self._ledger.store.complete(self.artifacts[key] for key in self._left)
        self._left = [key for key in self._left if key not in complete]
        self._given_up |= self._ledger.failures.failed().intersection(self._left)
        self._give_up_on_what_follows()
        return [self.artifacts[key] for key in self._left]

    def _claim(self, unfinished: Sequence[Artifact], about: Mapping[str, str]) -> Claim | None:
        waiting = {artifact.key for artifact in unfinished}
        for artifact in unfinished:
            if waiting.isdisjoint(artifact.inputs.values()) and (
                lease := _taken(artifact, self._ledger, about)
            ):
                return artifact, lease
        return None

    def _give_up_on_what_follows(self) -> None:
        for key in self._left:  # kinds come in no order here, so repeat until nothing changes
            if set(self.artifacts[key].inputs.values()) & self._given_up:
                self._given_up.add(key)
        before = len(self._left)
        self._left = [key for key in self._left if key not in self._given_up]
        if len(self._left) < before:
            self._give_up_on_what_follows()


class Assigned:
    """What one job was given to make, in this order; what cannot be made now is left to a later job.

    `kinds` has the kinds of these artifacts and of all that they are made from.
    """

    def __init__(
        self, order: Sequence[Artifact], kinds: Mapping[str, Kind], ledger: Ledger, folder: Path
    ) -> None:
        self.kinds = kinds
        self._order = order
        self._ledger = ledger
        self._folder = folder  # of the run

    def claims(self, about: Mapping[str, str]) -> Iterator[Claim]:
        """Take one after the other; again, where a try failed that this job may repeat."""
        for artifact in self._order:
            while not stop_file(self._folder).exists() and (lease := self._take(artifact, about)):
                n_before = len(self._ledger.attempts.of(artifact.key))
                yield artifact, lease
                attempts = self._ledger.attempts.of(artifact.key)
                # Success forgets the attempts before it.
                if len(attempts) <= n_before or triage.policy(attempts[-1]["cause"]).elsewhere:
                    break

    def _take(self, artifact: Artifact, about: Mapping[str, str]) -> Lease | None:
        """The lease, unless it is complete, has failed, or waits for its inputs."""
        store = self._ledger.store
        if store.has(artifact.kind, artifact.key) or self._ledger.failures.of(artifact.key):
            return None
        if not all(store.has(self.kinds[key], key) for key in artifact.inputs.values()):
            return None
        return _taken(artifact, self._ledger, about)


def _taken(artifact: Artifact, ledger: Ledger, about: Mapping[str, str]) -> Lease | None:
    lease = ledger.leases.claim(artifact.key, {**about, "label": artifact.label, "kind": artifact.kind})
    if lease is not None and ledger.store.has(artifact.kind, artifact.key):
        ledger.leases.clear(artifact.key)
        return None
    return lease
