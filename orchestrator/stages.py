"""The line to the stages: a child process that is asked in JSON and makes artifacts."""

import contextlib
import json
import os
import selectors
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from orchestrator.refusal import Refused

# How often a caller hears that the child still lives.
TICK = 1.0
NOT_BEGUN = "not begun"  # how far a stage came that was asked after it was told to pause
PAUSE = b'{"ask": "pause"}\n'
Progress = Callable[[float, str], None]


class StageFailed(Exception):
    """A stage ended without a result. `cause` is one word or two of the ledger's vocabulary."""

    def __init__(self, cause: str, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.traceback = traceback


class StagePaused(Exception):
    """A stage stopped because it was asked to, and left its state behind; says how far it came."""


class StageProcess:
    """A running `python -m experiments serve`; a context manager that ends it.

    `python` is a command that starts another Python than the one that runs us, such as a container's.
    Raises StageFailed where it cannot be started.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        log: IO[str] | None = None,
        python: str | None = None,
    ) -> None:
        started_by = [sys.executable] if python is None else shlex.split(python)
        try:
            self._process = subprocess.Popen(
                [*started_by, "-m", "experiments", "serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            raise StageFailed("import error", f"no stage can be started: {error}") from error
        self._started_by = shlex.join(started_by)
        self._heard = False  # anything, so far
        self._unread = b""
        self._pausing = False
        self._asked = False

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

    def gone(self) -> bool:
        """Whether the child ended, of itself or not."""
        return self._process.poll() is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, request: Mapping[str, Any], on_progress: Progress = lambda done, note: None) -> Any:
        """The result of one request; `on_progress` is called at least once a second meanwhile.

        Raises Refused where the stage turned the input down, StageFailed where it broke or died, StagePaused
        where `pause` was called and the stage had not come to its end.
        """
        if self._pausing:
            raise StagePaused(NOT_BEGUN)
        self._send(request)
        self._asked = True
        if self._pausing:
            self._send_pause()
        try:
            return self._answer(on_progress)
        finally:
            self._asked = False

    def pause(self) -> None:
        """Bring what is asked now to rest, and let nothing begin afterwards; returns at once.

        May be called from a signal handler or another thread, more than once, also when nothing is asked.
        """
        self._pausing = True
        # Never into the midst of a request: until that is written, `ask` itself passes the word on.
        if self._asked:
            self._send_pause()

    def _answer(self, on_progress: Progress) -> Any:
        progress, note = 0.0, ""
        for answer in self._answers():
            self._heard = self._heard or answer is not None
            if answer is None:
                on_progress(progress, note)
            elif "progress" in answer:
                progress, note = answer["progress"], answer["note"]
                on_progress(progress, note)
            elif "result" in answer:
                return answer["result"]
            elif "refused" in answer:
                raise Refused(answer["refused"])
            elif "paused" in answer:
                raise StagePaused(answer["paused"])
            else:
                raise StageFailed(**answer["failed"])
        raise self._died()

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def _send_pause(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # a process that is gone tells `ask` so itself
            # Past the buffer, as a signal may come while that is in use; so short a line is written whole.
            os.write(self._process.stdin.fileno(), PAUSE)

    def _answers(self) -> Iterator[dict[str, Any] | None]:
        """One answer per line; None for every tick in which nothing was said; ends when the child does."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while True:
                while b"\n" in self._unread:
                    line, _, self._unread = self._unread.partition(b"\n")
                    yield json.loads(line)
                if not selector.select(TICK):
                    yield None
                    continue
                chunk = os.read(self._process.stdout.fileno(), 1 << 16)
                if not chunk:
                    return
                self._unread += chunk

    def _died(self) -> StageFailed:
        code = self._process.wait()
        if code < 0:
            return StageFailed(
                "killed",
                f"the stage process was killed by signal {-code}; if nobody did that, memory ran out",
            )
        if not self._heard:
            ended = (
                f"`{self._started_by} -m experiments serve` ended with exit code {code} before it answered"
            )
            return StageFailed("import error", f"{ended}; its log says why")
        return StageFailed("unknown", f"the stage process ended with exit code {code}; its log says why")


def stage_environment(code: Path, threads: int, gpu: str | None) -> dict[str, str]:
    """What a stage process needs to see: the code snapshot, its threads, its GPU and no other."""
    count = str(threads)
    return {
        "PYTHONPATH": str(code),
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "TOKENIZERS_PARALLELISM": "false",
        "CUDA_VISIBLE_DEVICES": gpu or "",
    }
