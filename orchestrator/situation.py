"""How a study stands: files, leases and the queue together, one look at each."""

import time
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from orchestrator import shapes, slurm
from orchestrator.driver import drivers
from orchestrator.ledger import State
from orchestrator.note import read_note
from orchestrator.queued import Queued, look
from orchestrator.saved import Saved
from orchestrator.submissions import submissions

HOUR = 3600.0
# So many manifests tell how far predictions of time are off.
SAMPLE = 200


@dataclass(frozen=True)
class Queue:
    """The study's part of a cluster's queue; `silence` says why nothing is known of it."""

    jobs: Mapping[str, int]  # by state
    reasons: Mapping[str, int]  # of those that wait
    ahead: int | None  # jobs that wait in the same partition with a higher priority
    driver: bool  # whether somebody looks after the study
    silence: str | None = None


@dataclass(frozen=True)
class Situation:
    """What `status` says."""

    saved: Saved
    cells: Mapping[str, int]  # by state
    artifacts: Mapping[str, Mapping[str, int]]  # by kind and state
    running: tuple[Mapping[str, Any], ...]  # holders of leases
    failures: tuple[Mapping[str, Any], ...]
    n_evicted: int  # checkpoints without their weights; complete all the same unless something needs those
    queue: Queue | None  # None where nothing of the study is on a cluster
    cells_last_hour: int
    seconds_left: float | None
    device: str  # what hours are counted of: `GPU` or `CPU`
    device_hours_used: float
    device_hours_left: float

    @property
    def complete(self) -> bool:
        """Whether every cell is."""
        return self.cells.get("complete", 0) == sum(self.cells.values())


def situation(saved: Saved) -> Situation:
    """Look once. Raises nothing where the cluster is silent: its jobs are unknown then, never failed."""
    queued, queue = _queue(saved)
    states = saved.states()
    held = queued.holding.keys()
    shown = {key: _shown(state, [key], held) for key, state in states.items()}
    cells = Counter(_cell(cell, state, held) for cell, state in _cells(saved, states))
    kinds: dict[str, Counter[str]] = {}
    for key, artifact in saved.artifacts.items():
        kinds.setdefault(artifact.kind, Counter())[shown[key]] += 1
    live = saved.ledger.leases.live()
    failed = [saved.ledger.failures.of(key) for key, state in states.items() if state == State.FAILED]
    last_hour = _made_within(saved, states, HOUR)
    n_left = sum(count for state, count in cells.items() if state not in ("complete", "failed", "blocked"))
    device, used, left = _device_hours(saved, states)
    return Situation(
        saved=saved,
        cells=cells,
        artifacts=kinds,
        running=tuple(live[key] for key in saved.artifacts if key in live),
        failures=tuple(failure for failure in failed if failure),
        n_evicted=len(saved.ledger.store.without_weights(saved.artifacts.values())),
        queue=queue,
        cells_last_hour=round(last_hour * HOUR),
        seconds_left=n_left / last_hour if last_hour else None,
        device=device,
        device_hours_used=used,
        device_hours_left=left,
    )


def _queue(saved: Saved) -> tuple[Queued, Queue | None]:
    """Nothing is asked of a cluster that the study is not on."""
    if not any(True for _ in submissions(saved.study)):
        return Queued(), None
    try:
        entries = slurm.queue()
    except slurm.SlurmSilent as silence:
        return Queued(), Queue({}, {}, None, driver=False, silence=str(silence))
    queued = look(saved.study, entries)
    waiting = [entry for entry in queued.jobs.values() if entry.state == "PENDING"]
    return queued, Queue(
        jobs=Counter(entry.state.lower() for entry in queued.jobs.values()),
        reasons=Counter(entry.reason for entry in waiting),
        ahead=_ahead(waiting, entries),
        driver=bool(drivers(saved.study, entries)),
    )


def _ahead(waiting: Iterable[slurm.Entry], entries: Iterable[slurm.Entry]) -> int | None:
    """How many jobs stand before the first of ours."""
    ours = max(waiting, key=lambda entry: entry.priority, default=None)
    if ours is None:
        return None
    return sum(
        len(entry.elements or (0,))
        for entry in entries
        if entry.state == "PENDING" and entry.partition == ours.partition and entry.priority > ours.priority
    )


def _shown(state: State, keys: Iterable[str], held: Container[str]) -> str:
    """`queued` is ready or waiting, with a job that will make one of the keys."""
    if state in (State.READY, State.WAITING) and any(key in held for key in keys):
        return "queued"
    return str(state)


def _cells(saved: Saved, states: Mapping[str, State]) -> Iterable[tuple[Mapping[str, Any], State]]:
    return zip(saved.document["cells"], saved.cell_states(states), strict=True)


def _cell(cell: Mapping[str, Any], state: State, held: Container[str]) -> str:
    keys = cell["artifacts"]
    return _shown(state, (keys["checkpoint"], *keys["record"].values()), held)


def _made_within(saved: Saved, states: Mapping[str, State], seconds: float) -> float:
    """Cells completed a second, lately; a cell counts when its last record was published."""
    folder = saved.ledger.store.root / "record"
    now, moments = time.time(), []
    for cell in saved.document["cells"]:
        records = cell["artifacts"]["record"].values()
        if all(states[key] == State.COMPLETE for key in records):
            moments.append(max((folder / key).stat().st_mtime for key in records))
    lately = [moment for moment in moments if now - moment < seconds]
    return len(lately) / max(now - min(lately), 1.0) if lately else 0.0


def _device_hours(saved: Saved, states: Mapping[str, State]) -> tuple[str, float, float]:
    """GPU-hours, or CPU-hours where no stage has a GPU: used and to come, by predictions put right."""
    device, held = _devices(saved)
    pace = _pace(saved, states)
    used = left = 0.0
    for key in saved.artifacts:
        hours = saved.seconds[key] * pace * held.get(key, 1.0) / HOUR
        if states[key] == State.COMPLETE:
            used += hours
        else:
            left += hours
    return device, used, left


def _devices(saved: Saved) -> tuple[str, Mapping[str, float]]:
    """What is counted, and how many of them the making of each artifact holds."""
    run = saved.study.newest_run()
    if run is None:
        return "CPU", {}
    cluster = read_note(saved.study.jobs(run)).settings.cluster
    held = {key: shapes.held(cluster, one, saved.artifacts) for key, one in saved.artifacts.items()}
    if any(gpus for gpus, _ in held.values()):
        return "GPU", {key: float(gpus) for key, (gpus, _) in held.items()}
    return "CPU", {key: float(cpus) for key, (_, cpus) in held.items()}


def _pace(saved: Saved, states: Mapping[str, State]) -> float:
    """Measured seconds per predicted one, from a sample of what is complete; 1 where nothing is."""
    complete = [key for key, state in states.items() if state == State.COMPLETE and saved.seconds[key] > 0]
    sample = complete[:: max(len(complete) // SAMPLE, 1)]
    ratios = []
    for key in sample:
        made = saved.ledger.store.manifest(saved.artifacts[key].kind, key)["provenance"]
        if "seconds" in made:
            ratios.append(made["seconds"] / saved.seconds[key])
    return median(ratios) if ratios else 1.0
