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
