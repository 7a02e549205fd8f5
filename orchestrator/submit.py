"""The one module that knows submitit: jobs that outlive whoever submitted them."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import submitit

from orchestrator.worker import work

# submitit ends a local job after this; our workers end by themselves.
A_MONTH_IN_MINUTES = 30 * 24 * 60


@dataclass(frozen=True)
class Job:
    """A submitted job."""

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


def submit_local(note_file: Path, n_jobs: int, environment: Mapping[str, str]) -> list[Job]:
    """Start jobs on this machine that work on a note; slots are their own affair."""
    executor = submitit.LocalExecutor(note_file.parent / "submitit", python=sys.executable)
    executor.update_parameters(timeout_min=A_MONTH_IN_MINUTES)
    with _changed_environment(environment), _out_of_reach_of_the_terminal():
        return [Job(executor.submit(work, str(note_file))) for _ in range(n_jobs)]


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
