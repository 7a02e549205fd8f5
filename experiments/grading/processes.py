"""Compares answers that take sympy in processes of their own, and kills those where one takes too long."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from experiments.grading.verdict import Reason

# Seconds of CPU time for one answer. Of the references of MATH against themselves none took over 0.4.
LIMIT = 3.0
# A process that waits for something spends no CPU time, and on a busy machine an honest one waits too.
PATIENCE = 10
READY = b"ready\n"

_ROOT = Path(__file__).resolve().parents[2]
_REASONS: dict[bool | None, Reason] = {True: "correct", False: "wrong", None: "unparsable"}

Pair = tuple[str, str]  # reference and answer, as they were written


def available() -> int:
    """How many processes can work side by side: the threads that a job was given, or all cores."""
    cores = len(os.sched_getaffinity(0))
    return min(cores, int(os.environ.get("OMP_NUM_THREADS", cores)))


def judged(
    pairs: Sequence[Pair],
    processes: int,
    on_judged: Callable[[], None] = lambda: None,
    limit: float = LIMIT,
) -> list[Reason]:
    """What each answer is worth, in the order of the pairs, whatever the number of processes.

    An answer that takes more than `limit` seconds of CPU time is `grader timed out`, one that takes its
    process down in another way is `unparsable`; either costs the others nothing but the time. No process
    outlives this call. Raises RuntimeError where a process cannot even begin.
    """
    reasons: dict[int, Reason] = {}
    waiting = deque(range(len(pairs)))
    with _Workers(limit) as workers:
        for _ in range(min(processes, len(pairs))):
            workers.begin()
        while len(reasons) < len(pairs):
            for worker, reason in workers.heard():
                if worker.asked is not None and reason is not None:
                    reasons[worker.asked] = reason
                    on_judged()
                if waiting and worker.gone:
                    workers.begin()
                elif waiting:
                    worker.ask(waiting[0], pairs[waiting.popleft()])
    return [reasons[index] for index in range(len(pairs))]


class _Worker:
    """One process, which is asked one thing at a time."""

    def __init__(self, limit: float) -> None:
        paths = (str(_ROOT), os.environ.get("PYTHONPATH"))
        # Sympy walks through sets of symbols, whose order must not differ between processes.
        environment = {"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "experiments.grading.worker", str(limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **environment},
        )
        self._patience = limit * PATIENCE
        self._overdue_at = float("inf")
        self._overdue = self._ready = False
        self.asked: int | None = None  # which question is open
        self.gone = False

    @property
    def stdout(self) -> IO[bytes]:
        """Where its answers come from."""
        assert self._process.stdout is not None
        return self._process.stdout

    def ask(self, question: int, pair: Pair) -> None:
        """Never blocks: what can be compared is shorter than a pipe holds."""
        assert self._process.stdin is not None
        self.asked, self._overdue_at = question, time.monotonic() + self._patience
        line = json.dumps({"reference": pair[0], "answer": pair[1]}).encode() + b"\n"
        # Where it died between two questions, its silence will be heard.
        with suppress(BrokenPipeError):
            self._process.stdin.write(line)

    def hear(self) -> Reason | None:
        """The answer that is there to be read; None where the process only begins to listen."""
        message = os.read(self.stdout.fileno(), 4096)
        if message == READY:
            self._ready = True
            return None
        if message:
            self._overdue_at = float("inf")
            return _REASONS[json.loads(message)]
        self.gone = True
        ended_by = -self._process.wait()
        if not self._ready:
            raise RuntimeError("a process that grades ended before it could begin; its traceback is above")
        return "grader timed out" if self._overdue or ended_by == signal.SIGPROF else "unparsable"

    def kill_if_overdue(self) -> None:
        """What does not even spend CPU time would never end by itself."""
        if time.monotonic() > self._overdue_at:
            self._overdue = True
            self._process.kill()

    def end(self) -> None:
        """At once, whatever it is doing."""
        self._process.kill()
        self._process.communicate()


class _Workers:
    """All processes, and which of them said something; none is left when the context ends."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._selector = selectors.DefaultSelector()
        self._alive: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._alive:
            worker.end()
        self._selector.close()

    def begin(self) -> None:
        """One more."""
        worker = _Worker(self._limit)
        self._alive.append(worker)
        self._selector.register(worker.stdout, selectors.EVENT_READ, worker)

    def heard(self) -> Iterator[tuple[_Worker, Reason | None]]:
        """Those that answered, began to listen (None) or died since the last time; waits if need be."""
        for worker in self._alive:
            worker.kill_if_overdue()
        for key, _ in self._selector.select(timeout=1.0):
            worker = key.data
            reason = worker.hear()
            if worker.gone:
                self._selector.unregister(worker.stdout)
                self._alive.remove(worker)
                worker.end()
            yield worker, reason
