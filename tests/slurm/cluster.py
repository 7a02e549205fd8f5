"""The cluster on this machine as tests handle it: jobs in, states out, and every way to break it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import slurm_daemons
from slurm_daemons import wait_until

SCRIPT = Path(__file__).parents[2] / "scripts" / "slurm"
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED"}


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/slurm."""
    return subprocess.run((SCRIPT, *arguments), capture_output=True, text=True, timeout=600, check=False)


def command(*arguments: str) -> str:
    """What a Slurm command prints; it must not fail."""
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, f"{' '.join(arguments)}: {run.stderr}"
    return run.stdout


class Cluster:
    """A cluster that runs; `start` repairs what a test has killed."""

    def __init__(self, *, was_up: bool) -> None:
        self.was_up = was_up  # before the tests: then it is somebody's
        self.options: tuple[str, ...] = ()
        self.jobs: list[str] = []

    def start(self) -> str:
        """Start every daemon that does not run."""
        run = script("up", *self.options)
        assert run.returncode == 0, run.stderr
        return run.stdout

    @contextmanager
    def configured(self, *lines: str, accounting: bool = True) -> Iterator[None]:
        """Other lines of slurm.conf, or no accounting, for a while; jobs live through it."""
        options = [option for line in lines for option in ("--set", line)]
        self.options = (*options, *(() if accounting else ("--no-accounting",)))
        try:
            self.start()
            yield
        finally:
            self.options = ()
            self.start()

    def sbatch(self, *arguments: str) -> str:
        """Submit; the job's id. It is cancelled when the test ends."""
        job = command("sbatch", "--parsable", *arguments).strip()
        self.jobs.append(job)
        return job

    def cancel(self) -> None:
        """Cancel what `sbatch` has submitted, wait until it is gone."""
        if self.jobs:
            subprocess.run(("scancel", *self.jobs), capture_output=True, check=False)
            assert wait_until(lambda: not any(map(self.queued, self.jobs)), 30), command("squeue")
            self.jobs.clear()

    def queued(self, job: str) -> bool:
        """Whether any element of the job waits, runs or is just ending."""
        return job in command("squeue", "--noheader", "--format=%F").split()

    def state(self, job: str) -> str:
        """The state of a job that slurmctld still knows."""
        fields = dict(
            field.partition("=")[::2] for field in command("scontrol", "-o", "show", "job", job).split()
        )
        return fields["JobState"]

    def wait(self, job: str, *states: str, seconds: float = 60) -> None:
        """Wait until the job is in one of these states; without any, until it has ended."""
        wanted = set(states) or ENDED
        assert wait_until(lambda: self.state(job) in wanted, seconds), command("scontrol", "show", "job", job)

    def kill_slurmd(self, node: str) -> None:
        """The daemon of a node is gone at once; its jobs go on and nobody hears of them."""
        kill(slurm_daemons.slurmd(node).pids())

    def kill_node(self, node: str) -> None:
        """A node is gone at once with all that runs on it."""
        commands = dict(slurm_daemons.processes())
        jobs = [pid for pid in commands if slurm_daemons.belongs_to_a_job(pid, node)]
        parents = {parent(pid) for pid in jobs}
        steps = [pid for pid in parents if commands.get(pid, ("",))[0].startswith("slurmstepd: ")]
        kill([*slurm_daemons.slurmd(node).pids(), *steps, *jobs])

    def wait_until_saved(self, seconds: float = 30) -> None:
        """Wait until slurmctld has written down what it knows: it does so every few seconds."""
        state, now = slurm_daemons.ROOT / "state" / "job_state", time.time()
        assert wait_until(lambda: state.exists() and state.stat().st_mtime > now, seconds)

    def kill_slurmctld(self) -> None:
        """The controller is gone at once, and with it every job that it has not yet written down."""
        kill(slurm_daemons.slurmctld().pids())


def parent(pid: int) -> int:
    """The process id of a process's parent; 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def kill(pids: list[int]) -> None:
    """Kill processes, wait until they are dead."""
    for pid in pids:
        slurm_daemons.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(map(slurm_daemons.lives, pids)), 10)


@contextmanager
def sacct_that(does: str, folder: Path) -> Iterator[None]:
    """A sacct that does what this shell code does: `exit 1`, `sleep 600`, `echo garbage`."""
    shim = folder / "sacct"
    shim.write_text(f"#!/bin/bash\n{does}\n")
    shim.chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before
