"""What of a study is in Slurm's hands, by its submissions on disk and one look at the queue."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from orchestrator import slurm
from orchestrator.note import stop_file
from orchestrator.study import StudyFolder
from orchestrator.submissions import Submission, submissions

# Slurm's reasons why a job waits that no time does away with; one that a person holds is the person's.
STUCK = frozenset(
    {"launch failed requeued held", "launch_failed_requeued_held", "JobHoldMaxRequeue"}
    | {"DependencyNeverSatisfied"}
)
# sbatch may have been heard although it got no answer; so long a job may turn up late.
IN_FLIGHT = timedelta(seconds=2 * slurm.PATIENCE)


@dataclass(frozen=True)
class Known:
    """An array of the study, and those of its elements that the queue still shows, by `123_4`."""

    submission: Submission
    job_id: str
    elements: dict[str, slurm.Entry]


@dataclass
class Queued:
    """The study's part of the queue."""

    jobs: dict[str, slurm.Entry] = field(default_factory=dict)  # those that wait or run, by element
    holding: dict[str, str] = field(default_factory=dict)  # key -> id of the array that will make it
    unsure: set[str] = field(default_factory=set)  # keys of arrays that Slurm may or may not have heard of
    known: list[Known] = field(default_factory=list)
    unheard: list[Submission] = field(default_factory=list)  # that Slurm never got

    def stuck(self) -> list[str]:
        """Elements that wait for ever."""
        return sorted(name for name, entry in self.jobs.items() if entry.live and entry.reason in STUCK)

    def in_words(self) -> str:
        """`12 jobs wait (Priority), 4 run`."""
        waiting = Counter(entry.reason for entry in self.jobs.values() if entry.state == "PENDING")
        n_waiting = sum(waiting.values())
        reasons = f" ({', '.join(waiting)})" if waiting else ""
        return f"{n_waiting} jobs wait{reasons}, {len(self.jobs) - n_waiting} run"


def look(study: StudyFolder, entries: Sequence[slurm.Entry]) -> Queued:
    """Find the study's arrays in the queue, by their names.

    A controller that was killed forgets its last jobs, and gives their ids to others.
    """
    queued = Queued()
    by_name: dict[str, list[slurm.Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry.name, []).append(entry)
    for submission in submissions(study):
        shown = by_name.get(submission.job_name, [])
        job_id = shown[0].job_id if shown else submission.job_id
        if job_id is not None:
            elements = {name: entry for entry in shown for name in slurm.names(entry)}
            _add(queued, Known(submission, job_id, elements))
        elif datetime.now(UTC) - submission.written < IN_FLIGHT:
            queued.unsure.update(key for share in submission.shares() for key in share)
        else:
            queued.unheard.append(submission)
    return queued


def _add(queued: Queued, known: Known) -> None:
    live = {name: entry for name, entry in known.elements.items() if entry.live}
    queued.known.append(known)
    queued.jobs.update(live)
    if stop_file(known.submission.folder.parent).exists():
        return  # its jobs end without having made anything more
    for index, share in enumerate(known.submission.shares()):
        if f"{known.job_id}_{index}" in live:
            queued.holding.update(dict.fromkeys(share, known.job_id))
