"""What a cluster allows at most, asked of it once."""

from functools import cached_property

from orchestrator import slurm, slurm_offers
from orchestrator.settings import Resources

# Slurm's own, where it does not say.
LONGEST_ARRAY = 1001


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
