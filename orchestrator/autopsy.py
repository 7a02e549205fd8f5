"""Why a job of a cluster ended without having made its share: what Slurm says, and what it left behind."""

import time
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from orchestrator import slurm
from orchestrator.queued import Known
from orchestrator.saved import Saved
from orchestrator.settings import SlurmCluster

TAIL_LINES = 20
TAIL_BYTES = 8_000
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
    """What is known about an array when some of its elements have ended."""

    saved: Saved
    cluster: SlurmCluster
    array: Known
    settled: Set[str]  # keys that are complete or given up


def examine(remains: Remains) -> None:
    """Blame ended elements for what they left unmade, once each; close the books when all have ended."""
    array = remains.array
    shares = {f"{array.job_id}_{index}": share for index, share in enumerate(array.submission.shares())}
    ended = [name for name in shares if not (name in array.elements and array.elements[name].live)]
    unmade = {name: left for name in ended if (left := _unmade(remains, shares[name]))}
    ends = _ends(remains, unmade)
    for name, left in unmade.items():
        _blame(remains, name, left, ends.get(name))
    if len(ended) == len(shares):
        array.submission.over({name: end.state for name, end in ends.items()})


def tail(log: Path) -> str:
    """The last lines of a log; empty where there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(log.stat().st_size - TAIL_BYTES, 0))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-TAIL_LINES:])


def _unmade(remains: Remains, share: list[str]) -> list[str]:
    """What is neither there nor given up, of what the plan still has."""
    return [key for key in share if key in remains.saved.artifacts and key not in remains.settled]


def _ends(remains: Remains, unmade: Mapping[str, list[str]]) -> dict[str, End]:
    """How elements ended: from the queue where it still knows, else from the accounting."""
    shown = {
        name: End(entry.state, entry.nodes)
        for name, entry in remains.array.elements.items()
        if not entry.live
    }
    if unmade.keys() <= shown.keys():
        return shown
    try:
        known = slurm.ended([remains.array.job_id], remains.array.submission.written - SLACK)
    except slurm.SlurmSilent:
        return shown  # no accounting: what the queue has forgotten nobody knows
    ours = remains.array.submission.job_name
    told = {name: End(end.state, end.nodes) for name, end in known.items() if end.name == ours}
    return {**told, **shown}


def _blame(remains: Remains, element: str, left: list[str], end: End | None) -> None:
    """Write down a cause for what was in hand; where no worker came so far, for the first of the share."""
    ledger = remains.saved.ledger
    in_hand = [key for key in left if ledger.leases.bury(key, element)]
    never_begun = not in_hand and end is not None and end.state not in INNOCENT
    if never_begun and not any(attempt["job"] == element for attempt in ledger.attempts.of(left[0])):
        in_hand = left[:1]
    log = remains.array.submission.folder / f"{element}_0_log.out"
    last_words = tail(log)
    begun = "its job ended before a worker began" if never_begun else "its job ended"
    for key in in_hand:
        artifact = remains.saved.artifacts[key]
        attempt = {
            "run": remains.array.submission.folder.parent.name,
            "study": remains.saved.study.name,
            "kind": artifact.kind,
            "label": artifact.label,
            "at": time.time(),
            "job": element,
            "node": end.nodes if end else None,
            "cause": slurm.cause_of(end.state if end else None, last_words),
            "message": f"{begun}: {end.state if end else 'nobody knows how'} (job {element})",
            "traceback": last_words,
            "log": str(log),
        }
        ledger.blame(key, attempt, remains.cluster)
