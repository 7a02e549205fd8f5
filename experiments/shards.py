"""What a stage found for each item before it was interrupted, in files of its state folder."""

import logging
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from experiments.resume import Paused, Resumption
from experiments.state import UnusableError, pass_over, read_checked, write_checked

# Items that a process which is killed may lose, whatever the time between two saves.
LARGEST = 512

logger = logging.getLogger(__name__)


class Shards:
    """Values by the index of their item; a process that dies loses what came since the last shard: few items.

    Without room for a shard the stage goes on, and says so once.
    """

    def __init__(self, resumption: Resumption, identity: str, name: str) -> None:
        self._resumption = resumption
        self._folder = resumption.folder / name
        self._identity = f"{identity} {name}"
        self._values: dict[int, Any] = {}
        self._unsaved: dict[int, Any] = {}
        self._saved_at = time.monotonic()
        self._warned = False
        for path in self._folder.glob("*.json"):
            try:
                self._values |= read_checked(path, self._identity)
            except UnusableError as error:
                pass_over(path, error)

    def __getitem__(self, index: int) -> Any:
        return self._values[index]

    def have(self, indices: Collection[int]) -> bool:
        """Tell whether the values of all these items are known."""
        return self._values.keys() >= set(indices)

    def add(self, values: Mapping[int, Any], note: str) -> None:
        """Keep what was found; raises Paused, after saving it, where a pause is asked for."""
        self._values |= values
        self._unsaved |= values
        pause = self._resumption.pause.is_set()
        full = len(self._unsaved) + len(values) > LARGEST
        if pause or full or time.monotonic() - self._saved_at > self._resumption.save_every:
            self._save()
        if pause:
            raise Paused(note)

    @contextmanager
    def kept_if_broken(self) -> Iterator[None]:
        """Save what was found before, where the next values cannot be."""
        try:
            yield
        except Exception:
            self._save()
            raise

    def _save(self) -> None:
        if not self._unsaved:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{secrets.token_hex(8)}.json"
            write_checked(path, self._identity, list(self._unsaved.items()))
            self._unsaved = {}
        except OSError as error:
            if not self._warned:
                self._warned = True
                logger.warning("the %s cannot be saved, and go on unsaved: %s", self._folder.name, error)
        self._saved_at = time.monotonic()
