"""What a person sees while a study runs: a live view in a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

# Plain lines come at most this often, so that a log stays a log.
PLAIN_EVERY = 15.0


@dataclass(frozen=True)
class Snapshot:
    """The state of a run at one moment."""

    cells_done: int
    cells: int
    seconds_done: float  # predicted cost of what is complete
    seconds_in_all: float
    running: tuple[Mapping[str, Any], ...]  # holders of leases: label, kind, progress, note
    failed: int
    last: str  # the last accuracy, in words


@dataclass
class View:
    """Shows snapshots; a context manager."""

    console: Console
    begun: float = field(default_factory=time.monotonic)
    _live: Live | None = None
    _first: Snapshot | None = None
    _plain_at: float = float("-inf")
    _plain_text: str = ""
    _said: str = ""

    def __enter__(self) -> "View":
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Draw it, or print a line if the last one is long enough ago and says something else."""
        self._first = self._first or snapshot
        left = self._time_left(snapshot)
        if self._live is not None:
            self._live.update(_drawn(snapshot, left, time.monotonic() - self.begun))
            return
        text = _line(snapshot, left)
        if time.monotonic() - self._plain_at >= PLAIN_EVERY and text != self._plain_text:
            self.console.print(text, highlight=False, soft_wrap=True, markup=False)
            self._plain_at, self._plain_text = time.monotonic(), text

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def say_once(self, text: str) -> None:
        """The same, unless it was the last to be said so."""
        if text != self._said:
            self.say(text)
            self._said = text

    def _time_left(self, now: Snapshot) -> float | None:
        """By the pace of this run: seconds of wall time per predicted second."""
        assert self._first is not None
        done = now.seconds_done - self._first.seconds_done
        elapsed = time.monotonic() - self.begun
        if done <= 0 or elapsed < 2:
            return None
        return (now.seconds_in_all - now.seconds_done) * elapsed / done


def _drawn(now: Snapshot, left: float | None, elapsed: float) -> Group:
    head = Table.grid(padding=(0, 2))
    share = now.seconds_done / now.seconds_in_all if now.seconds_in_all else 1.0
    head.add_row(
        Text(f"{now.cells_done} of {now.cells} cells", style="bold"),
        ProgressBar(total=1.0, completed=share, width=30),
        Text(f"{duration(elapsed)} so far, {_left(left)}"),
        Text(now.last, style="green"),
        Text(f"{now.failed} failed" if now.failed else "", style="red"),
    )
    jobs = Table.grid(padding=(0, 2))
    for holder in now.running:
        done = holder.get("progress", 0.0)
        jobs.add_row(
            Text(f"  {holder['kind']}", style="cyan"),
            Text(holder["label"]),
            ProgressBar(total=1.0, completed=done, width=16),
            Text(holder.get("note", "")),
        )
    return Group(head, jobs)


def _line(now: Snapshot, left: float | None) -> str:
    running = ", ".join(f"{holder['kind']} {holder['label']}" for holder in now.running) or "nothing"
    parts = [f"{now.cells_done} of {now.cells} cells", _left(left), f"running: {running}"]
    parts += [now.last] if now.last else []
    parts += [f"{now.failed} failed"] if now.failed else []
    return "; ".join(parts)


def _left(seconds: float | None) -> str:
    return "time left not known yet" if seconds is None else f"about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """`8 s`, `3 min 05 s`, `2 h 10 min`, `3 days`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole / 86400:.1f} days"


def size(n_bytes: float) -> str:
    """`512 B`, `1.3 GB`; powers of ten, as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"
