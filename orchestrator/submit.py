"""The one module that knows submitit: jobs that outlive whoever submitted them."""

import math
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import submitit

from orchestrator import slurm_jobs
from orchestrator.files import write_text
from orchestrator.job import work
from orchestrator.settings import Resources, SlurmCluster

# submitit ends a local job after this; our workers end by themselves.
A_MONTH_IN_MINUTES = 30 * 24 * 60


@dataclass(frozen=True)
class Job:
    """A job on this machine."""

    handle: Any

    def ended(self) -> bool:
        """Whether the job is over, for whatever reason."""
        return bool(self.handle.done())

    def kill(self) -> None:
        """End it now, with all processes that it started."""
        try:
            root = psutil.Process(int(self.handle.job_id))
            family = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in family:
            process.kill()
        psutil.wait_procs(family, timeout=5)


def submit_local(run_folder: Path, n_jobs: int, environment: Mapping[str, str]) -> list[Job]:
    """Start jobs on this machine that work on a run; slots are their own affair."""
    executor = submitit.LocalExecutor(run_folder / "submitit", python=sys.executable)
    executor.update_parameters(timeout_min=A_MONTH_IN_MINUTES)
    with _changed_environment(environment), _out_of_reach_of_the_terminal():
        return [Job(executor.submit(work, str(run_folder))) for _ in range(n_jobs)]


@dataclass(frozen=True)
class Script:
    """What one call of sbatch submits: a job, or an array of elements."""

    folder: Path  # of its script and logs
    name: str
    resources: Resources
    command: Sequence[str]
    code: str  # the packages that it runs
    n_elements: int | None = None  # None: no array
    after: Sequence[str] = ()  # ids of jobs that must have ended, however they did
    begin: str | None = None  # not before, as sbatch reads it


def submit_slurm(script: Script, cluster: SlurmCluster) -> str:
    """The id of the job or array. Raises what `slurm_jobs.sbatch` raises."""
    return slurm_jobs.sbatch(write_script(script, cluster))


def write_script(script: Script, cluster: SlurmCluster) -> Path:
    """The script that sbatch is given, in the folder of the script."""
    script.folder.mkdir(parents=True, exist_ok=True)
    executor = submitit.SlurmExecutor(script.folder)
    executor.update_parameters(**_parameters(script, cluster))
    if script.n_elements is not None:
        executor.parameters["map_count"] = script.n_elements  # as submitit does for arrays of its own
    surroundings = ["env", f"PYTHONPATH={script.code}", "PYTHONSAFEPATH=1"]
    path = script.folder / "submission.sh"
    write_text(path, executor._make_submission_file_text(shlex.join([*surroundings, *script.command]), ""))
    return path


def _parameters(script: Script, cluster: SlurmCluster) -> dict[str, Any]:
    """As submitit names them; what is None is left to the site."""
    resources = script.resources
    further: dict[str, Any] = {"requeue" if cluster.requeue else "no-requeue": True}
    if script.begin:
        further["begin"] = script.begin
    return {
        "job_name": script.name,
        "partition": resources.partition,
        "account": resources.account,
        "qos": resources.qos,
        "constraint": resources.constraint,
        "gres": resources.gres,
        "exclude": resources.exclude,
        "time": math.ceil(resources.minutes),
        "nodes": resources.nodes,
        "ntasks_per_node": 1,
        "cpus_per_task": resources.cpus,
        "gpus_per_node": resources.gpus or None,
        "mem": f"{math.ceil(resources.memory_gib * 1024)}M",
        "wckey": None,
        "setup": list(cluster.setup),
        "dependency": f"afterany:{':'.join(script.after)}" if script.after else None,
        "array_parallelism": cluster.max_parallel or script.n_elements or 1,
        # A warning before half of the time is over would be none.
        "signal_delay_s": min(cluster.warn_seconds, round(resources.minutes * 30)),
        "stderr_to_stdout": True,
        "additional_parameters": {**further, **cluster.sbatch},
        # A step does not inherit the processors of its job any more, since Slurm 22.05.
        # However many nodes a job has, one worker works on its share.
        "srun_args": ["--nodes=1", "--ntasks=1", f"--cpus-per-task={resources.cpus}"],
        # Signals reach the processes of a step; a job that submits needs none.
        "use_srun": script.n_elements is not None,
    }


@contextmanager
def _changed_environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _out_of_reach_of_the_terminal() -> Iterator[None]:
    """Ctrl-C and a closed terminal reach every process in it; ignored signals are inherited by jobs.

    A job is told to stop by a file, after what it has in hand.
    """
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
