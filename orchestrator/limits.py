"""What a cluster allows at most, asked of it once."""

import time
from dataclasses import dataclass
from functools import cached_property

from orchestrator import slurm, slurm_offers
from orchestrator.settings import Resources

# Slurm's own, where it does not say.
LONGEST_ARRAY = 1001
# Seconds until a full queue is asked again although none of our jobs has left it; each time twice as long.
FULL_FOR, MOST_FULL_FOR = 5.0, 80.0


class Limits:
    """Of arrays and of time. Reading raises slurm.SlurmSilent where Slurm does not answer."""

    @cached_property
    def longest_array(self) -> int:
        """The most elements of an array: the cap is on the index, which begins at zero."""
        return int(slurm.configuration().get("MaxArraySize", LONGEST_ARRAY))

    def allowed(self, resources: Resources) -> Resources:
        """The same with no more time than the partition has: a job that asks for more would wait for ever."""
        most = self._longest_times.get(resources.partition)
        if most is None or resources.minutes <= most:
            return resources
        return resources.model_copy(update={"minutes": most})

    @cached_property
    def _longest_times(self) -> dict[str | None, float | None]:
        """Minutes of each partition, those of the default one under None too; None for no limit."""
        limits: dict[str | None, float | None] = {}
        for name, fields in slurm.partitions().items():
            limits[name] = slurm_offers.minutes(fields.get("MaxTime", ""))
            if fields.get("Default") == "YES":
                limits[None] = limits[name]
        return limits


@dataclass(frozen=True)
class Full:
    """What Slurm said when it took no more jobs, how many of ours were queued then, and when that was."""

    said: str
    n_queued: int
    at: float
    patience: float  # seconds

    @classmethod
    def now(cls, said: str, n_queued: int, before: "Full | None") -> "Full":
        """Just told so; `before`: as it was the last time, if nothing was taken in between."""
        patience = FULL_FOR if before is None else min(2 * before.patience, MOST_FULL_FOR)
        return cls(said, n_queued, time.monotonic(), patience)

    def surely(self, n_queued: int) -> bool:
        """Whether asking again is idle: none of our jobs has ended since, and others' had little time."""
        return n_queued >= self.n_queued and time.monotonic() - self.at < self.patience
