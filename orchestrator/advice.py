"""Better numbers for the next time, from what jobs used; each with a margin that is said."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from orchestrator.identity import KINDS, Kind
from orchestrator.pace import OVERHEAD
from orchestrator.shapes import MARGIN
from orchestrator.usage import Job, Made

# Memory: of the largest peak. Data and lengths differ more than seeds do.
MEMORY_MARGIN = 1.3
MEMORY_STEP_GIB = 0.25
# Time limits, in minutes: short ones are rounded so that backfill still finds room for them.
MINUTES_STEP = 5
# Below this a process that is counted as another half one has only been started.
BARELY = 0.1
# A job should not spend more than this share of its time on starting.
START_SHARE = 0.05
# Seconds of predicted arithmetic from which on an artifact tells how fast the arithmetic is.
TELLING = 5.0
# Predictions that are off by less than this change no decision.
NEAR = 1.25
MARGINS = (
    f"memory: largest peak x {MEMORY_MARGIN:g}; time: longest job x {MARGIN:g}, at least target_minutes x "
    f"{MARGIN:g}; CPUs: those that were busy on average"
)


@dataclass(frozen=True)
class Group:
    """Jobs that make the same stages; what they ask for is decided together."""

    stages: tuple[Kind, ...]
    jobs: tuple[Job, ...]

    @property
    def longest(self) -> float | None:
        """Seconds of the longest job."""
        return max(self._known(job.elapsed for job in self.jobs), default=None)

    @property
    def peak_bytes(self) -> int:
        """Of the job that had the most memory."""
        return max(job.peak_bytes for job in self.jobs)

    @property
    def processors(self) -> float:
        """Processors that were busy in the job that had the most of them."""
        return max(job.processors for job in self.jobs)

    @property
    def waited(self) -> tuple[float, float] | None:
        """Median and longest time in the queue."""
        waits = self._known(job.waited for job in self.jobs)
        return (median(waits), max(waits)) if waits else None

    @property
    def start_share(self) -> float | None:
        """Of all the time of these jobs, what was not spent on what they made."""
        known = [(job.elapsed, job.at_work) for job in self.jobs if job.elapsed]
        in_all = sum(elapsed or 0.0 for elapsed, _ in known)
        return max(1 - sum(at_work for _, at_work in known) / in_all, 0.0) if in_all else None

    @property
    def gpu_percent(self) -> int | None:
        """Of the busiest GPU, where the site gathers that."""
        told = self._known(job.used.gpu_percent for job in self.jobs if job.used is not None)
        return round(max(told)) if told else None

    def most_asked(self, name: str) -> float | None:
        """The most that any of the jobs asked for; None on this machine."""
        return max((getattr(job.asked, name) for job in self.jobs if job.asked), default=None)

    @staticmethod
    def _known(values: Iterable[float | None]) -> list[float]:
        return [value for value in values if value is not None]


def groups(jobs: Sequence[Job]) -> list[Group]:
    """Stages that were made in one job stay together."""
    together: list[set[Kind]] = []
    for job in jobs:
        touching = [known for known in together if known & job.stages]
        together = [known for known in together if not known & job.stages]
        together.append(set(job.stages).union(*touching))
    found = []
    for stages in together:
        ours = tuple(job for job in jobs if job.stages <= stages)
        found.append(Group(tuple(kind for kind in KINDS if kind in stages), ours))
    return sorted(found, key=lambda group: KINDS.index(group.stages[0]))


def better(group: Group, target_minutes: float) -> dict[str, float]:
    """Resources that should differ from what was asked for, with their next values."""
    if all(job.asked is None for job in group.jobs):
        return {}
    wished: dict[str, float] = {"memory_gib": memory_gib(group.peak_bytes)}
    if group.longest is not None:
        wished["minutes"] = time_limit(group.longest, target_minutes)
    asked_cpus = group.most_asked("cpus") or 1
    wished["cpus"] = min(max(1, math.ceil(group.processors - BARELY)), int(asked_cpus))
    return {name: value for name, value in wished.items() if value != group.most_asked(name)}


def memory_gib(peak_bytes: int) -> float:
    """What to ask for after such a peak."""
    return max(math.ceil(peak_bytes * MEMORY_MARGIN / 2**30 / MEMORY_STEP_GIB), 2) * MEMORY_STEP_GIB


def time_limit(longest_seconds: float, target_minutes: float) -> float:
    """Minutes to ask for; less than the packing wants to fill would make jobs shorter than they should be."""
    needed = MARGIN * max(longest_seconds / 60, target_minutes)
    return float(math.ceil(needed / MINUTES_STEP) * MINUTES_STEP)


def flops_per_second(made: Iterable[Made], assumed: float) -> float | None:
    """The rate at which predictions would have come true; None where they were near enough, or nobody knows.

    What takes no time to compute says nothing about a rate: there everything is starting and reading.
    """
    counted = [one for one in made if one.flops / assumed >= TELLING]
    flops = sum(one.flops for one in counted)
    seconds = sum(max(one.seconds - OVERHEAD[one.kind], 0.0) for one in counted)
    if not flops or not seconds:
        return None
    rate = float(f"{flops / seconds:.1e}")
    return None if 1 / NEAR < rate / assumed < NEAR else rate


def target_minutes(found: Sequence[Group], target: float) -> float | None:
    """The length of jobs at which starting would cost little; None where it does already."""
    starts = [
        job.elapsed - job.at_work
        for group in found
        for job in group.jobs
        if job.elapsed and len(job.made) > 1
    ]
    if not starts:
        return None
    wished = math.ceil(median(starts) / START_SHARE / 60)
    return float(wished) if wished > target else None


def by_stage(jobs: Iterable[Job]) -> Mapping[Kind, list[Made]]:
    """Everything that was made, by kind, in the order of the stages."""
    found: dict[Kind, list[Made]] = defaultdict(list)
    for job in jobs:
        for one in job.made:
            found[one.kind].append(one)
    return {kind: found[kind] for kind in KINDS if kind in found}
