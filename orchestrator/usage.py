"""What a study asked for and used: from manifests, submissions, and the accounting where there is one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from orchestrator import slurm, slurm_offers
from orchestrator.identity import Kind
from orchestrator.saved import Saved
from orchestrator.settings import Resources
from orchestrator.slurm_offers import Used
from orchestrator.submissions import Submission, every

# Clocks of this machine and of the accounting may differ.
SLACK = timedelta(hours=1)
# So many arrays one call of sacct is asked about; command lines have an end.
AT_ONCE = 500
# Beside its stage a job has the worker itself, whose memory no manifest holds.
WORKER_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Made:
    """One artifact, as its manifest measured it."""

    key: str
    kind: Kind
    predicted: float  # seconds of one worker
    flops: float
    begun: float  # seconds since the epoch
    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Job:
    """One job of a cluster, or one worker of this machine, that made something of the study."""

    name: str
    made: tuple[Made, ...]  # in the order in which they were made
    worker_begun: float | None
    asked: Resources | None  # None: on this machine, or its submission is gone
    submitted: datetime | None
    used: Used | None  # None: no accounting, or it forgot

    @property
    def stages(self) -> frozenset[Kind]:
        """Of what it made."""
        return frozenset(made.kind for made in self.made)

    @property
    def elapsed(self) -> float | None:
        """Seconds from begin to end."""
        if self.used is not None:
            return self.used.elapsed
        end = max(made.begun + made.seconds for made in self.made)
        return None if self.worker_begun is None else end - self.worker_begun

    @property
    def at_work(self) -> float:
        """Seconds spent on what was made; the rest went into starting and into what was not finished."""
        return sum(made.seconds for made in self.made)

    @property
    def limit(self) -> float | None:
        """The time limit, seconds."""
        if self.used is not None:
            return self.used.limit
        return self.asked.minutes * 60 if self.asked is not None else None

    @property
    def waited(self) -> float | None:
        """Seconds in the queue; where nobody accounts for that, also those in which inputs were made."""
        if self.used is not None:
            return self.used.waited
        if self.submitted is None or self.worker_begun is None:
            return None
        return max(self.worker_begun - self.submitted.timestamp(), 0.0)

    @property
    def peak_bytes(self) -> int:
        """The most memory it had at one time."""
        of_stages = max(made.peak_bytes for made in self.made)
        told = self.used.peak_bytes if self.used is not None else None
        return max(told or 0, of_stages + WORKER_BYTES)

    @property
    def processors(self) -> float:
        """CPU seconds per second of work."""
        by_stages = sum(made.cpu_seconds for made in self.made) / max(self.at_work, 1e-9)
        if self.used is None or self.used.cpu_seconds is None or not self.used.elapsed:
            return by_stages
        return max(by_stages, self.used.cpu_seconds / self.used.elapsed)


@dataclass(frozen=True)
class Usage:
    """All that is known of a study."""

    jobs: tuple[Job, ...]
    n_elsewhere: int  # complete artifacts that other studies made
    silence: str | None  # why there is no accounting; None: there is


def of(saved: Saved) -> Usage:
    """Of what is complete of the newest plan."""
    runs = {path.parent.name for path in saved.study.root.glob("jobs/*/note.json")}
    complete = saved.ledger.store.complete(saved.artifacts.values())
    manifests = {key: saved.ledger.store.manifest(saved.artifacts[key].kind, key) for key in complete}
    ours = {
        key: known["provenance"] for key, known in manifests.items() if known["provenance"]["run"] in runs
    }
    elements = _elements(every(saved.study))
    by_job: dict[str, list[str]] = {}
    for key, provenance in ours.items():
        by_job.setdefault(_job_of(provenance), []).append(key)
    submitted = {
        name: elements[name, keys[0]] for name, keys in by_job.items() if (name, keys[0]) in elements
    }
    used, silence = _accounted({known.folder: known for known in submitted.values()}.values())
    jobs = []
    for name, keys in sorted(by_job.items()):
        made = sorted((_made(saved, key, ours[key]) for key in keys), key=lambda made: made.begun)
        submission = submitted.get(name)
        begun = [ours[key].get("worker_begun") for key in keys]
        jobs.append(
            Job(
                name=name,
                made=tuple(made),
                worker_begun=min((moment for moment in begun if moment is not None), default=None),
                asked=submission.resources if submission else None,
                submitted=submission.written if submission else None,
                used=used.get(name),
            )
        )
    return Usage(tuple(jobs), len(complete) - len(ours), silence)


def _job_of(provenance: Mapping[str, Any]) -> str:
    """Workers of this machine have no job; a process makes one artifact after the other too."""
    name: str | None = provenance["job"]
    return name or f"{provenance['host']}:{provenance['pid']}:{provenance['run']}"


def _elements(known: Iterable[Submission]) -> dict[tuple[str, str], Submission]:
    """By job and key: a controller that was killed gives ids twice, and never for the same things to make."""
    return {
        (f"{submission.job_id}_{index}", key): submission
        for submission in known
        for index, share in enumerate(submission.shares())
        for key in share
    }


def _made(saved: Saved, key: str, provenance: Mapping[str, Any]) -> Made:
    return Made(
        key=key,
        kind=saved.artifacts[key].kind,
        predicted=saved.seconds[key],
        flops=saved.document["artifacts"][key]["cost"]["flops"],
        begun=provenance["begun"],
        seconds=provenance["seconds"],
        cpu_seconds=provenance["cpu_seconds"],
        peak_bytes=provenance["peak_memory_bytes"],
    )


def _accounted(known: Iterable[Submission]) -> tuple[dict[str, Used], str | None]:
    """What the accounting knows of them; nothing, and the reason, where there is none."""
    submissions = list(known)
    if not submissions:
        return {}, None
    found: dict[str, Used] = {}
    since = min(submission.written for submission in submissions) - SLACK
    try:
        for first in range(0, len(submissions), AT_ONCE):
            some = submissions[first : first + AT_ONCE]
            names = {submission.job_id or "": submission.job_name for submission in some}
            found |= slurm_offers.used(names, since)
    except slurm.SlurmSilent as silence:
        return {}, str(silence)
    return found, None
