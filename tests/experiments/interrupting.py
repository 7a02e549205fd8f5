"""Interrupts stages in this process: as a pause does, and as a death does."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.course import MEASURED
from experiments.resume import Paused, Resumption


class Died(Exception):
    """The process is gone, as far as this test is concerned."""


class AfterLooks(threading.Event):
    """A pause that comes when the stage looks for it the n-th time; counted from 0."""

    def __init__(self, n_looks: int) -> None:
        super().__init__()
        self.left = n_looks

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


class DeathAfterLooks(AfterLooks):
    """A death at that moment."""

    def is_set(self) -> bool:
        if super().is_set():
            raise Died
        return False


def interrupted(
    make: Callable[[Path, Resumption], dict[str, Any]],
    folder: Path,
    interruptions: list[tuple[type[AfterLooks], int]],
    save_every: float = 60.0,
) -> dict[str, Any] | None:
    """Make an artifact in `folder/made` over and over, interrupted each time but the last.

    The summary; None where an interruption never came to pass because the artifact was done before.
    """
    state = folder / "state"
    for number, (interruption, n_looks) in enumerate(interruptions):
        try:
            make(folder / f"try-{number}", Resumption(state, save_every, interruption(n_looks)))
        except (Paused, Died):
            continue
        return None
    return make(folder / "made", Resumption(state, save_every))


def same_files(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files, byte for byte but for what was measured."""
    names = sorted(path.name for path in one.iterdir())
    return names == sorted(path.name for path in other.iterdir()) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names if name != MEASURED
    )
