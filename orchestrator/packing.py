"""Which artifacts go into which job: chains that need no other job between, packed to like length."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.identity import Artifact, inputs_first
from orchestrator.settings import Resources, SlurmCluster
from orchestrator.shapes import MARGIN, with_time_for

# What a job goes on from; pools and bases serve many jobs.
FOLLOWED = ("trunk", "checkpoint", "completions")


@dataclass
class Unit:
    """Artifacts that one job makes one after the other, such as a checkpoint, its completions and records."""

    resources: Resources
    wave: int  # units of a wave need only what earlier waves make
    artifacts: list[Artifact] = field(default_factory=list)
    seconds: float = 0.0  # predicted
    engine: str | None = None  # the model whose engine it starts, which units of other models have no use for


@dataclass(frozen=True)
class Batch:
    """Jobs of one shape that wait for the same waves: one array, or several where it is too long."""

    wave: int
    resources: Resources
    elements: tuple[tuple[Artifact, ...], ...]  # longest first


def jobs(
    cluster: SlurmCluster,
    to_make: Mapping[str, Artifact],
    resources_of: Callable[[Artifact], Resources],
    seconds: Mapping[str, float],
    models: Mapping[str, str | None],
) -> list[Batch]:
    """The arrays that make all of it, with time limits that hold the predicted `seconds` of each key.

    `models` has the name of each key's model.
    """
    found = units(to_make, resources_of, lambda artifact: seconds[artifact.key])
    for unit in found:
        if any(artifact.shares_engine for artifact in unit.artifacts):
            unit.engine = models[unit.artifacts[0].key]
    for unit in found:
        unit.resources = with_time_for(unit.resources, unit.seconds, cluster.most_minutes)
    return batches(found, cluster.target_minutes * 60)


def units(
    to_make: Mapping[str, Artifact],
    resources_of: Callable[[Artifact], Resources],
    seconds_of: Callable[[Artifact], float],
) -> list[Unit]:
    """Put each artifact with the one still to be made that it follows, if one job can make both.

    Pools and bases serve many: they stay alone, and whatever needs them comes in a later wave. A trunk and
    all that grows from it is one job: the trunks of a chain come one after the other anyway.
    """
    home: dict[str, Unit] = {}
    found: list[Unit] = []
    for artifact in inputs_first(to_make.values()):
        resources = resources_of(artifact)
        missing = [to_make[key] for key in artifact.inputs.values() if key in to_make]
        unit = _joined(artifact, resources, missing, home)
        if unit is None:
            unit = Unit(resources, wave=max((home[made.key].wave + 1 for made in missing), default=0))
            found.append(unit)
        unit.artifacts.append(artifact)
        unit.seconds += seconds_of(artifact)
        home[artifact.key] = unit
    return found


def batches(found: Iterable[Unit], target_seconds: float) -> list[Batch]:
    """Pack units of one wave, shape and engine into jobs of about the target, longest first."""
    groups: dict[tuple[int, Resources, str | None], list[Unit]] = defaultdict(list)
    for unit in found:
        groups[unit.wave, unit.resources, unit.engine].append(unit)
    return [
        Batch(wave, resources, tuple(_packed(members, min(target_seconds, _room(resources)))))
        for (wave, resources, _), members in sorted(
            groups.items(), key=lambda item: (item[0][0], *map(str, item[0][1:]))
        )
    ]


def _joined(
    artifact: Artifact, resources: Resources, missing: Sequence[Artifact], home: Mapping[str, Unit]
) -> Unit | None:
    """The unit of the one input that this artifact follows, where the same job may go on with it.

    All else that it needs must be there before that job begins.
    """
    followed = [made for made in missing if made.kind in FOLLOWED]
    if len(followed) != 1:
        return None
    unit = home[followed[0].key]
    if any(home[made.key].wave >= unit.wave for made in missing if made is not followed[0]):
        return None
    return unit if unit.resources is resources or unit.resources == resources else None


def _room(resources: Resources) -> float:
    """Seconds of predicted work that a time limit surely holds."""
    return resources.minutes * 60 / MARGIN


def _packed(members: Sequence[Unit], target_seconds: float) -> list[tuple[Artifact, ...]]:
    """As few jobs as the target allows, all of about the same length."""
    in_all = sum(unit.seconds for unit in members)
    target_seconds = in_all / math.ceil(in_all / target_seconds) if in_all else target_seconds
    elements: list[list[Artifact]] = []
    left = 0.0
    for unit in sorted(members, key=lambda unit: (-unit.seconds, unit.artifacts[0].key)):
        # Half of a unit too much is nearer to the target than half of one too little.
        if not elements or unit.seconds / 2 > left:
            elements.append([])
            left = target_seconds
        elements[-1] += unit.artifacts
        left -= unit.seconds
    return [_in_turn(element) for element in elements]


def _in_turn(element: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """One after the other, but all weights before what one engine answers for them."""
    if not any(artifact.shares_engine for artifact in element):
        return tuple(element)
    return tuple(inputs_first(sorted(element, key=lambda artifact: artifact.inputs.get("weights", ""))))
