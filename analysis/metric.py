"""What is measured of a checkpoint, and in which unit people read it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Metric:
    """A measured quantity; values in fits, tables and figures are in `unit`."""

    id: Literal["accuracy", "nll", "loss"]
    label: str  # as on an axis
    unit: str
    decimals: int
    better: Literal[1, -1]  # 1: higher is better
    ceiling: float | None  # the largest value possible, in `unit`
    resolution: float  # less than this needs no magnifying in a figure

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest value possible."""
        return 0.0, np.inf if self.ceiling is None else self.ceiling

    @property
    def log_scale(self) -> bool:
        """Whether laws that bend are fitted to logarithms: losses scatter in proportion to their size."""
        return self.ceiling is None


ACCURACY = Metric("accuracy", "Accuracy", "points", 1, 1, 100.0, 1.0)
NLL = Metric("nll", "Negative log-likelihood per token", "nats per token", 3, -1, None, 0.01)
LOSS = Metric("loss", "Loss", "loss", 4, -1, None, 0.01)
METRICS = {metric.id: metric for metric in (ACCURACY, NLL, LOSS)}

POINTS_PER_FRACTION = 100.0
