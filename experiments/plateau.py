"""A learning rate that stays at its peak between a warm-up and a cooldown."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Plateau:
    """In steps. Before `cooldown_begins` nothing depends on how long the training is.

    Schedule and shapes of Hägele et al. 2024 (arXiv 2405.18392), section 3 and appendix.
    """

    n_warmup: int
    cooldown_begins: int  # behind so many steps
    n_cooldown: int
    shape: Literal["linear", "sqrt", "cosine"]

    def share(self, step: int, final: float) -> float:
        """Of the peak, at a step counted from one; the last step of the cooldown has the share `final`."""
        if step <= self.n_warmup:
            return step / self.n_warmup
        if step <= self.cooldown_begins:
            return 1.0
        done = (step - self.cooldown_begins) / self.n_cooldown
        left = {
            "linear": 1 - done,
            "sqrt": 1 - math.sqrt(done),
            "cosine": (1 + math.cos(math.pi * done)) / 2,
        }[self.shape]
        return final + (1 - final) * left
