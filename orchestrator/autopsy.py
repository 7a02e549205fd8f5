"""Why a job of a cluster ended without having made its share: what Slurm says, and what it left behind."""

import time
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from orchestrator import slurm
from orchestrator.files import tail
from orchestrator.hopeless import stop_when_hopeless, stop_where_nothing_begins
from orchestrator.note import stop_file
from orchestrator.queued import Known
from orchestrator.saved import Saved
from orchestrator.settings import SlurmCluster

Told = TypeVar("Told")

# Clocks of this machine and of the accounting may differ.
SLACK = timedelta(hours=1)
# These ends say nothing against what the job was to make.
INNOCENT = ("COMPLETED", "PREEMPTED")


@dataclass(frozen=True)
class End:
    """How a job ended, and where."""

    state: str
    nodes: str


@dataclass(frozen=True)
class Remains:
    """What is known about arrays of which some elements have ended."""

    saved: Saved
    cluster: SlurmCluster
    arrays: Sequence[Known]
    settled: Set[str]  # keys that are complete or given up


@dataclass(frozen=True)
class Fallen:
    """An element that is not in the queue any more, and has left something unmade."""

    name: str
    index: int
    array: Known
    left: Sequence[str]

    @property
    def log(self) -> Path:
        """What Slurm keeps of its output."""
        return self.array.submission.folder / f"{self.name}_0_log.out"

    def began(self) -> bool:
        """Whether a worker of ours came to run in it."""
        folder = self.array.submission.folder
        return any(folder.parent.glob(f"worker-{folder.name}-{self.index}-*.log"))


def examine(remains: Remains) -> None:
    """Blame ended elements for what they left unmade, once each; close the books on ended arrays."""
    fallen = [each for array in remains.arrays for each in _fallen(remains, array)]
    ends = _ends(fallen)
    holders = remains.saved.ledger.leases.live() if len(ends) < len(fallen) else {}
    # Whose end nobody knows of, and who shows signs of life: Slurm may have told less than there is.
    alive = {holder["job"] for holder in holders.values()} - ends.keys()
    for each in fallen:
        if each.name not in alive:
            _blame(remains, each, ends.get(each.name))
            each.array.submission.examined(each.name)
    for array in remains.arrays:
        _stop_where_nothing_begins(remains, [each for each in fallen if each.array is array], ends)
        names = {f"{array.job_id}_{index}" for index in range(len(array.submission.shares()))}
        if not alive & names and not any(entry.live for entry in array.elements.values()):
            array.submission.over({name: ends[name].state for name in names & ends.keys()})


def _fallen(remains: Remains, array: Known) -> Iterator[Fallen]:
    """Those that are not examined yet."""
    examined = array.submission.known_examined()
    for index, share in enumerate(array.submission.shares()):
        name = f"{array.job_id}_{index}"
        if name in examined or (name in array.elements and array.elements[name].live):
            continue
        left = [key for key in share if key in remains.saved.artifacts and key not in remains.settled]
        if left:
            yield Fallen(name, index, array, left)


def _ends(fallen: Sequence[Fallen]) -> dict[str, End]:
    """How elements ended: from the queue where it still knows, else from the accounting, by one question."""
    shown = {
        each.name: End(entry.state, entry.nodes)
        for each in fallen
        if (entry := _told_of(each, each.array.elements)) is not None
    }
    forgotten = [each for each in fallen if each.name not in shown]
    if not forgotten:
        return shown
    begin = min(each.array.submission.written for each in forgotten) - SLACK
    try:
        known = slurm.ended(sorted({each.array.job_id for each in forgotten}), begin)
    except slurm.SlurmSilent:
        return shown  # no accounting: what the queue has forgotten nobody knows
    told = {
        each.name: End(ended.state, ended.nodes)
        for each in forgotten
        if (ended := _told_of(each, known)) and ended.name == each.array.submission.job_name
    }
    return {**told, **shown}


def _told_of(fallen: Fallen, known: Mapping[str, Told]) -> Told | None:
    """What is said of an element; an array that was cancelled before it began is one job without elements."""
    return known.get(fallen.name) or known.get(fallen.array.job_id)


def _blame(remains: Remains, fallen: Fallen, end: End | None) -> None:
    """Write down a cause for what was in hand; where no worker came so far, for the first of the share."""
    ledger = remains.saved.ledger
    in_hand = [key for key in fallen.left if ledger.leases.bury(key, fallen.name)]
    noted = any(attempt["job"] == fallen.name for key in fallen.left for attempt in ledger.attempts.of(key))
    if not in_hand and not noted and _at_fault(fallen, end):
        in_hand = [fallen.left[0]]
    cause, message = _cause(fallen, end)
    if stop_file(fallen.array.submission.folder.parent).exists() and cause in ("cancelled", "lost"):
        return  # the run was stopped, and its jobs with it: that is no failure of theirs
    for key in in_hand:
        artifact = remains.saved.artifacts[key]
        attempt = {
            "run": fallen.array.submission.folder.parent.name,
            "study": remains.saved.study.name,
            "kind": artifact.kind,
            "label": artifact.label,
            "at": time.time(),
            "job": fallen.name,
            "node": end.nodes if end else None,
            "cause": cause,
            "message": message,
            "traceback": tail(fallen.log),
            "log": str(fallen.log),
        }
        ledger.blame(key, attempt, remains.cluster)
        stop_when_hopeless(ledger, fallen.array.submission.folder.parent, cause, remains.cluster.failures)


def _stop_where_nothing_begins(remains: Remains, fallen: Sequence[Fallen], ends: Mapping[str, End]) -> None:
    """As many as may fail of one cause, and no element of the array had a worker."""
    dead = [each for each in fallen if each.name in ends and _cause(each, ends[each.name])[0] == "lost"]
    if len(dead) < remains.cluster.failures:
        return
    folder = dead[0].array.submission.folder
    if not any(folder.parent.glob(f"worker-{folder.name}-*")):
        stop_where_nothing_begins(folder.parent, len(dead), dead[0].log, tail(dead[0].log))


def _at_fault(fallen: Fallen, end: End | None) -> bool:
    """Whether its end says something against it, though nothing was in hand: else it tries for ever."""
    return not fallen.began() if end is None else end.state not in INNOCENT


def _cause(fallen: Fallen, end: End | None) -> tuple[str, str]:
    """Of the ledger's vocabulary, and in words."""
    cause = slurm.cause_of(end.state if end else None, tail(fallen.log))
    how = f"{end.state if end else 'nobody knows how'} (job {fallen.name})"
    if fallen.began():
        return cause, f"its job ended: {how}"
    if cause == "lost" and end is not None and not fallen.log.exists():
        folder = fallen.log.parent
        return "node failed", f"its job ended and left no log, is {folder} there on {end.nodes}?: {how}"
    return cause, f"its job ended before a worker began: {how}"
