"""What a job asks of the cluster, by the stage and the model of what it makes, and by earlier tries."""

from collections.abc import Mapping

from orchestrator.identity import Artifact, Kind
from orchestrator.settings import Cluster, Resources, SlurmCluster
from orchestrator.triage import UNTRIED, Adjustments

# A prediction may be off by this before the time limit is.
MARGIN = 2.0


def model_of(artifact: Artifact, artifacts: Mapping[str, Artifact]) -> str | None:
    """The name of the model that an artifact goes back to; None for a pool."""
    while artifact.kind != "base":
        made_from = (
            artifact.inputs.get("completions")
            or artifact.inputs.get("weights")
            or artifact.inputs.get("base")
        )
        if made_from is None:
            return None
        artifact = artifacts[made_from]
    return artifact.label


def resources_for(cluster: SlurmCluster, kind: Kind, model: str | None, changes: Adjustments) -> Resources:
    """The cluster's resources, changed for the stage, for the model, and by what earlier tries taught."""
    resources = cluster.resources
    # A trunk is part of a training, unless it is spoken of itself.
    kinds: tuple[Kind, ...] = ("checkpoint", "trunk") if kind == "trunk" else (kind,)
    for of_kinds in (cluster.stages, cluster.models.get(model or "", {})):
        for wish in (of_kinds[one] for one in kinds if one in of_kinds):
            resources = resources.model_copy(update=wish.named())
    return resources.model_copy(
        update={
            "memory_gib": _capped(resources.memory_gib, changes.memory_factor, cluster.most_memory_gib),
            "minutes": _capped(resources.minutes, changes.time_factor, cluster.most_minutes),
            "exclude": ",".join(filter(None, [resources.exclude, *changes.avoid])) or None,
        }
    )


def declared(cluster: SlurmCluster, artifact: Artifact, artifacts: Mapping[str, Artifact]) -> Resources:
    """What a job asks for that makes an artifact for the first time."""
    return resources_for(cluster, artifact.kind, model_of(artifact, artifacts), UNTRIED)


def held(cluster: Cluster, artifact: Artifact, artifacts: Mapping[str, Artifact]) -> tuple[int, int]:
    """How many GPUs and CPUs the making of an artifact holds."""
    if cluster.kind == "local":
        return min(cluster.gpus, 1), cluster.threads
    wanted = declared(cluster, artifact, artifacts)
    return wanted.gpus * wanted.nodes, wanted.cpus * wanted.nodes


def with_time_for(resources: Resources, seconds: float, most_minutes: float | None) -> Resources:
    """The same, with a time limit that holds the predicted work twice over; limits grow by doubling."""
    minutes = resources.minutes
    if minutes * 60 >= MARGIN * seconds:
        return resources
    while minutes * 60 < MARGIN * seconds:
        minutes *= 2
    if most_minutes is not None:
        minutes = min(minutes, max(most_minutes, resources.minutes))
    return resources.model_copy(update={"minutes": minutes})


def _capped(value: float, factor: float, most: float | None) -> float:
    """What was declared may be above the cap; only growing past it is not allowed."""
    return value * factor if most is None else min(value * factor, max(value, most))
