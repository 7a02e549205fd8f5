"""Frees the weights of checkpoints whose records are all there, and leaves a tombstone in their place.

At every moment the files tell the truth. The tombstone names what goes and is moved into place first; from
then on the checkpoint is complete for its records and absent for new ones. Then the files go. Whoever is
killed in between leaves a tombstone with files, and a later run ends the work. Both happen under the lease on
the checkpoint, so that nobody makes it anew meanwhile; and whoever is about to use the weights either sees
the tombstone, or is seen by his lease.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.artifacts import EVICTABLE, TOMBSTONE, Store
from orchestrator.estimate import Cost
from orchestrator.files import read_json, write_json
from orchestrator.identity import Artifact
from orchestrator.leases import Lease, Leases
from orchestrator.ledger import Ledger, wanted
from orchestrator.progress import duration
from orchestrator.references import Reference, References, references

# Tables are what a proof of nesting, a report and a curve of losses read; everything else belongs to weights.
STAYS = (".parquet",)
# Seconds between two looks while a study runs.
EVERY = 15.0


@dataclass(frozen=True)
class Freed:
    """What a sweep did."""

    keys: tuple[str, ...]
    n_bytes: int


NOTHING = Freed((), 0)


class Sweeper:
    """Evicts for one study, as its plan and its last run have it."""

    def __init__(self, ledger: Ledger, outputs: Path, study: Reference) -> None:
        self._ledger = ledger
        self._outputs = outputs
        self._study = study
        self._weights = [made for made in study.artifacts.values() if made.kind in EVICTABLE]
        self._due = time.monotonic() + EVERY

    @property
    def due(self) -> bool:
        """Whether the last look is long enough ago."""
        return time.monotonic() > self._due

    def sweep(self) -> Freed:
        """Evict what can be; what is in somebody's hands is left for the next time.

        Raises Refused where the plan of some study cannot be read.
        """
        self._due = time.monotonic() + EVERY
        if self._study.keep == "all":
            return NOTHING
        store = self._ledger.store
        there = store.complete(self._weights) - store.without_weights(self._weights)
        # Most looks end here, before the plans of other studies are read.
        if not (done_with := there - self._study.needs(store)):
            return NOTHING
        known = self._references()
        return self._evict_all(done_with - known.needs(store), known)

    def end_what_was_begun(self) -> Freed:
        """Delete what tombstones name whose writer was killed."""
        store = self._ledger.store
        begun = {made.key for made in self._weights if unfinished(store, made)}
        return self._evict_all(begun, self._references()) if begun else NOTHING

    def _references(self) -> References:
        return references(self._outputs, self._ledger.leases.live().values(), self._study)

    def _evict_all(self, keys: Iterable[str], known: References) -> Freed:
        freed = {key: self._evict(key, known) for key in sorted(keys)}
        done = {key: n_bytes for key, n_bytes in freed.items() if n_bytes is not None}
        return Freed(tuple(done), sum(done.values()))

    def _evict(self, key: str, known: References) -> int | None:
        """Bytes that are free now; None where somebody has the checkpoint in hand or needs it after all."""
        artifact, leases = self._study.artifacts[key], self._ledger.leases
        about = {"study": self._study.name, "run": None, "kind": artifact.kind, "label": "evicting weights"}
        lease = leases.claim(key, about)
        if lease is None:
            return None
        stone = self._ledger.store.folder(artifact.kind, key) / TOMBSTONE
        begun = stone.exists()
        try:
            if not begun:
                write_json(stone, self._epitaph(artifact))
            if known.in_use(key, leases.live()):
                if not begun:
                    stone.unlink()
                return None
            return _delete(stone.parent, leases, lease)
        finally:
            if leases.holds(lease):
                leases.clear(key)

    def _epitaph(self, artifact: Artifact) -> dict[str, Any]:
        return {
            "evicted": time.time(),
            "study": self._study.name,
            "keep": self._study.keep,
            "files": weights_of(self._ledger.store, artifact),
        }


def weights_of(store: Store, artifact: Artifact) -> dict[str, Any]:
    """Name -> digest and size of the files that an eviction frees."""
    files: dict[str, Any] = store.manifest(artifact.kind, artifact.key)["files"]
    return {name: known for name, known in files.items() if not name.endswith(STAYS)}


def tombstone(store: Store, artifact: Artifact) -> dict[str, Any] | None:
    """`evicted` (seconds since the epoch), `study`, `keep`, `files`; None where nothing was evicted."""
    try:
        found: dict[str, Any] = read_json(store.folder(artifact.kind, artifact.key) / TOMBSTONE)
    except FileNotFoundError:
        return None
    return found


def unfinished(store: Store, artifact: Artifact) -> bool:
    """Whether somebody was killed between the tombstone and the last file that it names."""
    stone, folder = tombstone(store, artifact), store.folder(artifact.kind, artifact.key)
    return stone is not None and any((folder / name).exists() for name in stone["files"])


def _delete(folder: Path, leases: Leases, lease: Lease) -> int:
    n_bytes = 0
    for name in read_json(folder / TOMBSTONE)["files"]:
        path = folder / name
        if path.exists() and leases.holds(lease):
            n_bytes += path.stat().st_size
            path.unlink()
    return n_bytes


def retrained(
    artifacts: Mapping[str, Artifact], complete: Collection[str], ledger: Ledger, costs: Mapping[str, Cost]
) -> list[str]:
    """A line on what must be trained again because its weights are gone, what for, and what it costs."""
    missing = wanted(artifacts, set(complete))
    again = ledger.store.without_weights(missing.values())
    if not again:
        return []
    uses = {made.label.rpartition(" on ")[2] for made in missing.values() if again & {*made.inputs.values()}}
    listed = ", ".join(sorted(uses))
    flops, seconds = (sum(getattr(costs[key], name) for key in again) for name in ("flops", "seconds"))
    return [
        f"{len(again)} checkpoints whose weights were evicted are trained again for {listed}: "
        f"{flops:.2g} FLOPs, about {duration(seconds)} of one worker (keep=all keeps weights)"
    ]
