"""Keeps a training: saves it now and then and where it is asked to pause, and finds it again."""

import logging
import time
from dataclasses import replace

from experiments import ranks
from experiments.relay import Relay
from experiments.resume import Paused, Progress, Resumption
from experiments.state import WRITE_ERRORS, Resumed, State, States
from experiments.training import Training

# Saving takes at most this share of the time, however large the weights and however slow the disk.
SHARE = 0.05

logger = logging.getLogger(__name__)


class Keeper:
    """The state of one training on disk. Without room for it the training goes on, and says so once."""

    def __init__(
        self, resumption: Resumption, identity: str, progress: Progress, relay: Relay | None = None
    ) -> None:
        self._resumption = resumption
        self._relay = relay
        self._states = States(resumption.folder, identity)
        self._progress = progress
        self._saved_step = 0
        self._due = time.monotonic() + resumption.save_every
        self._warned = False

    def resume(self, training: Training, n_steps: int) -> None:
        """Bring a training that has not begun to the newest step that can be restored, if there is one.

        That is one of its own, else the last one of the training before; without either it begins.
        """
        n_ranks = ranks.size()

        def restore(state: State) -> None:
            nonlocal n_ranks
            training.restore(state)
            n_ranks = state.facts.get("ranks", n_ranks)

        resumed = self._states.resume(restore)
        if not resumed.step and self._relay is not None and self._relay.begins is not None:
            taken_over = States(self._relay.begins, self._relay.identity).resume(restore)
            resumed = Resumed(taken_over.step, resumed.passed_over + taken_over.passed_over)
        self._saved_step = resumed.step
        if resumed.step or resumed.passed_over:
            unusable = f", {resumed.passed_over} unusable states passed over" if resumed.passed_over else ""
            others = f", with {ranks.size()} ranks after {n_ranks}: last bits may differ"
            told = f"goes on after step {resumed.step} of {n_steps}{unusable}"
            self._tell(resumed.step, n_steps, told + (others if n_ranks != ranks.size() else ""))

    def ended(self, training: Training) -> None:
        """Hand on the last state, where somebody goes on from it."""
        if self._relay is not None and self._relay.ends is not None:
            States(self._relay.ends, self._relay.identity).save(_state(training))

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
            self._states.save(_state(training))
            self._saved_step = len(training.steps)
        except WRITE_ERRORS as error:
            if not self._warned:
                self._warned = True
                text = f"training goes on, but cannot be saved: {error}"
                self._tell(len(training.steps), n_steps, text)
        took = time.monotonic() - begun
        self._due = time.monotonic() + max(self._resumption.save_every, took / SHARE)

    def _tell(self, step: int, n_steps: int, text: str) -> None:
        logger.warning("%s", text)  # on stderr, which is the log of the worker
        self._progress(step / n_steps, text)


def _state(training: Training) -> State:
    """With how many processes trained it, which no number but the last bits depends on."""
    state = training.state()
    return replace(state, facts={**state.facts, "ranks": ranks.size()})
