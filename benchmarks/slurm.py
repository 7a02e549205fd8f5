"""10,000 cells on a real Slurm: submission beside one sbatch per cell, status, reconciliation, memory.

sudo scripts/slurm up --set MaxJobCount=40000
python benchmarks/slurm.py

Jobs are submitted on hold and cancelled again, so what is measured is ours and Slurm's book-keeping.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import plan as planning
from rich.console import Console

from orchestrator import check, compose, slurm_jobs, snapshot
from orchestrator.cluster import SlurmRun
from orchestrator.note import Note
from orchestrator.prepare import Prepared, prepare
from orchestrator.progress import View
from orchestrator.run import new_note
from orchestrator.saved import Saved
from orchestrator.settings import SlurmCluster
from orchestrator.study import save_plan

ON_HOLD = [
    "cluster=slurm",
    "+cluster.sbatch.hold=true",
    "cluster.driver=null",
    "cluster.resources.memory_gib=1",
]
ONE_BY_ONE = 200  # jobs that stand for the slow side
COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "scancel")


def main() -> None:
    """Prints one line per figure."""
    with tempfile.TemporaryDirectory() as outputs:
        overrides = ["study=benchmark", f"outputs={outputs}", *ON_HOLD, *planning.AXES]
        compose.run(overrides, lambda grid: measure(grid, Path(outputs)))


def measure(grid: compose.Grid, outputs: Path) -> int:
    """Everything, on one plan."""
    begun = time.perf_counter()
    prepared = prepare(check.settings(grid.settings), check.cells(grid.points), grid.notes)
    number, _ = save_plan(prepared.study, prepared.document())
    saved = Saved.of(prepared.study, number, prepared.document())
    saved.study.index(number, saved.document)
    n_cells = len(saved.document["cells"])
    tell(
        f"{n_cells} cells, {len(saved.artifacts)} artifacts planned and on disk", time.perf_counter() - begun
    )
    slow = one_by_one(outputs / "slow") * n_cells
    tell(f"one sbatch per cell, from {ONE_BY_ONE}", slow)
    for name, target_minutes in (("packed", 5.0), ("unpacked", 1e-9)):
        seconds, run = submitted(prepared, saved, target_minutes)
        jobs, arrays = len(run.queued.jobs), len({entry.job_id for entry in run.queued.jobs.values()})
        tell(f"{name}: {jobs} jobs in {arrays} arrays, {slow / seconds:.0f} times faster", seconds)
        if name == "unpacked":
            status(outputs)
            tell("reconcile, everything queued", timed(run.reconcile))
        cancel(run)
        if name == "packed":
            close(run)
    make_all(saved)
    tell("reconcile, everything finished", timed(run.reconcile))
    status(outputs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'memory of the orchestrator, at most':60} {peak:8.0f} MB")
    return 0


def submitted(prepared: Prepared, saved: Saved, target_minutes: float) -> tuple[float, SlurmRun]:
    """Seconds that submission takes, and the run."""
    cluster = prepared.settings.cluster
    assert isinstance(cluster, SlurmCluster)
    cluster = cluster.model_copy(update={"target_minutes": target_minutes})
    settings = prepared.settings.model_copy(update={"cluster": cluster})
    note: Note = new_note(saved, settings, snapshot.take(saved.study.code))
    note.write()
    run = SlurmRun(saved, note, cluster)
    with View(Console(stderr=True)) as view:
        return timed(lambda: run.begin(view)), run


def one_by_one(folder: Path) -> float:
    """Seconds of one sbatch, as a loop over cells would call it."""
    folder.mkdir()
    script = folder / "job.sh"
    script.write_text(f"#!/bin/sh\n#SBATCH --hold --mem=100M --output={folder}/%j.out\ntrue\n")
    begun = time.perf_counter()
    jobs = [slurm_jobs.sbatch(script) for _ in range(ONE_BY_ONE)]
    seconds = (time.perf_counter() - begun) / ONE_BY_ONE
    slurm_jobs.cancel(jobs)
    return seconds


def status(outputs: Path) -> None:
    """The real command, with every call of Slurm counted."""
    with counted_commands() as (path, counts):
        command = [
            sys.executable,
            "-m",
            "orchestrator",
            "status",
            "benchmark",
            "--outputs",
            str(outputs),
            "--json",
        ]
        begun = time.perf_counter()
        told = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path})
        seconds = time.perf_counter() - begun
        calls = ", ".join(f"{count} {name}" for name, count in counts().items()) or "none"
    cells = json.loads(told.stdout)["cells"]
    tell(f"status of {cells}; calls: {calls}", seconds)


@contextmanager
def counted_commands() -> Iterator[tuple[str, Callable[[], Counter[str]]]]:
    """A PATH on which Slurm's commands leave a trace."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        trace.touch()
        for name in COMMANDS:
            real = subprocess.run(["which", name], capture_output=True, text=True).stdout.strip()
            shim = Path(folder) / name
            shim.write_text(f'#!/bin/sh\necho {name} >> {trace}\nexec {real} "$@"\n')
            shim.chmod(0o755)
        yield f"{folder}:{os.environ['PATH']}", lambda: Counter(trace.read_text().split())


def cancel(run: SlurmRun) -> None:
    """Take the jobs back; their books stay open."""
    slurm_jobs.cancel(sorted({entry.job_id for entry in run.queued.jobs.values()}))


def close(run: SlurmRun) -> None:
    """Close the books of cancelled jobs, as if they had never been."""
    for about in run.note.folder.glob("*/about.json"):
        (about.parent / "over.json").write_text("{}")


def make_all(saved: Saved) -> None:
    """Every artifact at once, empty: what is measured is how they are found."""
    for artifact in saved.artifacts.values():
        folder = saved.ledger.store.folder(artifact.kind, artifact.key)
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text('{"provenance": {"seconds": 1.0}}')


def timed(action: Callable[[], object]) -> float:
    """Seconds of wall time."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def tell(what: str, seconds: float) -> None:
    """A figure."""
    print(f"{what:80} {seconds:8.2f} s", flush=True)


if __name__ == "__main__":
    main()
