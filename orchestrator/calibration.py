"""How long things take here: learnt from what earlier manifests measured."""

import socket
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from orchestrator.artifacts import Store
from orchestrator.identity import KINDS, Kind
from orchestrator.pace import OVERHEAD, TASKS, Pace, task
from orchestrator.settings import Cluster
from orchestrator.study import StudyFolder

# So many artifacts of a kind tell how fast they are made, from the newest plans of so many studies.
SAMPLE, STUDIES = 200, 5
# With fewer, or with FLOPs in a narrower range, a line is a guess: the declared one is scaled instead.
FEWEST, RANGE = 5, 2.0
NO_MATTER = 1e30  # FLOPs per second where time does not grow with them


def pace_of(outputs: Path, cluster: Cluster) -> Pace:
    """As this cluster is declared, or as its earlier jobs show."""
    runs = measured(outputs, cluster) if cluster.calibrate else []
    return calibrated(runs, cluster.flops_per_second)


@dataclass(frozen=True)
class Measured:
    """One artifact: what was predicted of it, and how long it took."""

    kind: Kind
    task: str
    flops: float
    seconds: float


def measured(outputs: Path, cluster: Cluster) -> list[Measured]:
    """What was made as `cluster` makes things, from the newest plans and their manifests."""
    store, found = Store(outputs), []
    roots = [path for path in (outputs / "studies").glob("*") if any(path.glob("plans/*.json"))]
    for root in sorted(roots, key=lambda path: (path / "plans").stat().st_mtime, reverse=True)[:STUDIES]:
        study = StudyFolder(outputs, root.name)
        try:
            newest = study.latest()
        except (OSError, ValueError):
            continue  # whoever needs that plan will say so
        if newest is not None:
            found += of_plan(newest[1]["artifacts"], store, cluster)
    return found


def calibrated(runs: Iterable[Measured], flops_per_second: float) -> Pace:
    """The pace that the runs show; where they show none, the declared one."""
    by_kind: dict[Kind, list[Measured]] = defaultdict(list)
    by_task: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        by_kind[run.kind].append(run)
        if run.kind in TASKS:
            by_task[run.task].append(run.seconds)
    overhead, rate = dict(OVERHEAD), dict.fromkeys(KINDS, flops_per_second)
    for kind, some in by_kind.items():
        overhead[kind], rate[kind] = _line(some, overhead[kind], flops_per_second)
    known = {name: round(median(seconds), 4) for name, seconds in by_task.items()}
    return Pace(overhead=overhead, rate=rate, known=known, n_measured=sum(map(len, by_kind.values())))


def of_plan(artifacts: Mapping[str, Mapping[str, Any]], store: Store, cluster: Cluster) -> list[Measured]:
    """Of some artifacts, as a plan has them, those that are complete."""
    by_kind: dict[Kind, list[str]] = defaultdict(list)
    for key, artifact in artifacts.items():
        if store.has(artifact["kind"], key):
            by_kind[artifact["kind"]].append(key)
    found = []
    for kind, keys in by_kind.items():
        for key in keys[:: max(len(keys) // SAMPLE, 1)]:
            made = store.manifest(kind, key)["provenance"]
            if _made_alike(made, cluster):
                flops, spec = float(artifacts[key]["cost"]["flops"]), artifacts[key]["spec"]
                found.append(Measured(kind, task(kind, spec, flops), flops, made["seconds"]))
    return found


def _made_alike(made: Mapping[str, Any], cluster: Cluster) -> bool:
    """On this machine, where that is where jobs run; else as a job of a cluster of that name."""
    if "seconds" not in made or made.get("cluster", cluster.name) != cluster.name:
        return False
    return made["host"] == socket.gethostname() if cluster.kind == "local" else made["job"] is not None


def _line(runs: list[Measured], overhead: float, rate: float) -> tuple[float, float]:
    """Seconds beside the arithmetic, and FLOPs per second.

    The line of Theil (1950) and Sen (1968): medians care for no single run that waited for others.
    """
    flops = [run.flops for run in runs]
    if len(runs) < FEWEST or max(flops) < RANGE * max(min(flops), 1.0):
        ratio = median(run.seconds / (overhead + run.flops / rate) for run in runs)
        return overhead * ratio, rate / ratio
    slopes = [
        (one.seconds - other.seconds) / (one.flops - other.flops)
        for index, one in enumerate(runs)
        for other in runs[:index]
        if one.flops != other.flops
    ]
    slope = median(slopes)
    if slope <= 0:
        return median(run.seconds for run in runs), NO_MATTER
    rest = median(run.seconds - slope * run.flops for run in runs)
    if rest <= 0:
        return 0.0, 1 / median(run.seconds / run.flops for run in runs if run.flops)
    return rest, 1 / slope
