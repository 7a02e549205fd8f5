"""The places of this machine: a worker holds one while it works, so no GPU is ever given out twice."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(slot: int, folder: Path | None = None) -> Iterator[bool]:
    """Hold a slot of this machine while the context lasts; False where another process has it.

    The kernel frees the slot when the holder dies, however it dies.
    """
    place = folder or Path(tempfile.gettempdir()) / f"doublings-{os.getuid()}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if place.stat().st_uid != os.getuid():
        raise PermissionError(f"{place} belongs to somebody else, who could hold all slots: remove it")
    descriptor = os.open(place / f"slot-{slot}", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
