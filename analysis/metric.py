"""What is measured of a checkpoint, and in which unit people read it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A measured quantity; values in fits, tables and figures are in `unit`."""

    id: Literal["accuracy", "nll"]
    label: str  # as on an axis
    unit: str
    decimals: int
    better: Literal[1, -1]  # 1: higher is better
    ceiling: float | None  # the largest value possible, in `unit`
    resolution: float  # less than this needs no magnifying in a figure


ACCURACY = Metric("accuracy", "Accuracy", "points", 1, 1, 100.0, 1.0)
NLL = Metric("nll", "Negative log-likelihood per token", "nats per token", 3, -1, None, 0.01)
METRICS = {metric.id: metric for metric in (ACCURACY, NLL)}

POINTS_PER_FRACTION = 100.0
