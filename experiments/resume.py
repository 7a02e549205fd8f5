"""What a stage that may be interrupted is told: where its state lies, and when to save it and pause."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Progress = Callable[[float, str], None]


class Paused(Exception):
    """The stage was asked to pause and stopped where it can go on later; says how far it came."""


@dataclass(frozen=True)
class Resumption:
    """The state folder of one artifact, which its next maker inherits. None of this changes a result."""

    folder: Path
    save_every: float  # seconds from one save to the next
    pause: threading.Event = field(default_factory=threading.Event)

    def stopping(self, progress: Progress) -> Progress:
        """The same progress, which raises Paused where the stage is asked to pause.

        For stages that report only where stopping loses nothing that a later start would find.
        """

        def report(done: float, note: str) -> None:
            progress(done, note)
            if self.pause.is_set():
                raise Paused(note)

        return report
