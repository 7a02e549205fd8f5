"""Keeps a training: saves it now and then and where it is asked to pause, and finds it again."""

import logging
import time

from experiments.resume import Paused, Progress, Resumption
from experiments.state import WRITE_ERRORS, States, UnusableError
from experiments.training import Training

# Saving takes at most this share of the time, however large the weights and however slow the disk.
SHARE = 0.05

logger = logging.getLogger(__name__)


class Keeper:
    """The state of one training on disk. Without room for it the training goes on, and says so once."""

    def __init__(self, resumption: Resumption, identity: str, progress: Progress) -> None:
        self._resumption = resumption
        self._states = States(resumption.folder, identity)
        self._progress = progress
        self._saved_step = 0
        self._due = time.monotonic() + resumption.save_every
        self._warned = False

    def resume(self, training: Training, n_steps: int) -> None:
        """Bring a training that has not begun to the newest step that can be restored, if there is one."""
        for state in self._states.newest_first():
            try:
                training.restore(state)
            except UnusableError as error:
                self._tell(0, n_steps, f"the state of step {state.step} is not resumed from: {error}")
                continue
            self._saved_step = state.step
            self._progress(state.step / n_steps, f"resumed at step {state.step} of {n_steps}")
            return

    def between_steps(self, training: Training, n_steps: int) -> None:
        """Save where it is time to; raises Paused, after saving, where a pause is asked for."""
        step = len(training.steps)
        pause = self._resumption.pause.is_set()
        if step > self._saved_step and (pause or time.monotonic() > self._due):
            self._save(training, n_steps)
        if pause:
            lost = "" if step == self._saved_step else f", saved at step {self._saved_step}"
            raise Paused(f"step {step} of {n_steps}{lost}")

    def _save(self, training: Training, n_steps: int) -> None:
        begun = time.monotonic()
        try:
            self._states.save(training.state())
            self._saved_step = len(training.steps)
        except WRITE_ERRORS as error:
            if not self._warned:
                self._warned = True
                self._tell(len(training.steps), n_steps, f"training goes on, but cannot be saved: {error}")
        took = time.monotonic() - begun
        self._due = time.monotonic() + max(self._resumption.save_every, took / SHARE)

    def _tell(self, step: int, n_steps: int, text: str) -> None:
        logger.warning("%s", text)
        self._progress(step / n_steps, text)
