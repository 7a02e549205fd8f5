"""The engine that outlives an artifact in its stage process. Imports nothing, as every stage has one."""

import logging
from typing import Any

logger = logging.getLogger(__name__)


class Held:
    """At most one engine, with what is known of it; whoever needs its memory ends it."""

    def __init__(self) -> None:
        self.alive: Any = None  # an engines.Alive

    def end(self) -> None:
        """Free its memory, if there is one. One that cannot even end well is forgotten."""
        alive, self.alive = self.alive, None
        if alive is None:
            return
        try:
            alive.engine.end()
        except Exception as error:  # noqa: BLE001 - a dead engine may fail in any way, and is gone either way
            logger.warning("the engine did not end well: %s", error)
