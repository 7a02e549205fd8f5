"""What a worker makes next: whatever of a run is ready, or what its own job was given."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator import triage
from orchestrator.identity import Artifact, Kind, made_of
from orchestrator.leases import Lease
from orchestrator.ledger import Ledger, needed_again
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
        self._left = self._not_there()
        self._given_up |= self._ledger.failures.failed().intersection(self._left)
        self._give_up_on_what_follows()
        return [self.artifacts[key] for key in self._left]

    def _not_there(self) -> list[str]:
        """What is left, with all whose weights were evicted and are needed for it, whoever evicted them."""
        store = self._ledger.store
        left = {key: self.artifacts[key] for key in self._left}
        left = {key: left[key] for key in left.keys() - store.complete(left.values())}
        inputs = (key for artifact in left.values() for key in artifact.inputs.values())
        evicted = store.without_weights(made_of(inputs, self.artifacts).values())

        def missing(again: set[str]) -> Iterable[Artifact]:
            return [*left.values(), *(self.artifacts[key] for key in again)]

        again = needed_again(evicted, missing)
        return [*sorted(again - left.keys()), *(key for key in self._left if key in left)]

    def _claim(self, unfinished: Sequence[Artifact], about: Mapping[str, str]) -> Claim | None:
        waiting = {artifact.key for artifact in unfinished}
        for artifact in unfinished:
            if waiting.isdisjoint(artifact.inputs.values()) and (
                lease := _taken(artifact, self.kinds, self._ledger, about)
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
        if self._settled(artifact) or self._ledger.failures.of(artifact.key):
            return None
        if not all(store.whole(self.kinds[key], key) for key in artifact.inputs.values()):
            return None
        return _taken(artifact, self.kinds, self._ledger, about)

    def _settled(self, artifact: Artifact) -> bool:
        """Whether it is there; evicted weights are wanted again unless all uses in this job are done."""
        store = self._ledger.store
        if not store.evicted(artifact.kind, artifact.key):
            return store.has(artifact.kind, artifact.key)
        uses = [one for one in self._order if artifact.key in one.inputs.values()]
        return bool(uses) and all(store.has(one.kind, one.key) for one in uses)


def _taken(
    artifact: Artifact, kinds: Mapping[str, Kind], ledger: Ledger, about: Mapping[str, str]
) -> Lease | None:
    lease = ledger.leases.claim(artifact.key, {**about, "label": artifact.label, "kind": artifact.kind})
    if lease is None:
        return None
    if ledger.store.whole(artifact.kind, artifact.key):
        ledger.leases.clear(artifact.key)
        return None
    # Who evicts weights looks at the leases after the tombstone is there: one of us two sees the other.
    if any(ledger.store.evicted(kinds[key], key) for key in artifact.inputs.values()):
        ledger.leases.release(lease)
        return None
    return lease
