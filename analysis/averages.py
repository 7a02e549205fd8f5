"""What least squares sees of runs: the mean at each amount, how many runs it has, how they scatter."""

from dataclasses import dataclass

import numpy as np

from analysis.laws.declaration import Floats
from analysis.problems import Problems


@dataclass(frozen=True)
class Averages:
    """One group's means per distinct amount, ascending; of logarithms too where values are losses."""

    amounts: Floats  # (K,)
    means: Floats  # (K,)
    logs: Floats | None  # (K,)
    counts: Floats  # (K,)
    within: float  # sum of squares about the means, of logarithms where there are any

    @property
    def targets(self) -> Floats:
        """Means on the scale on which residuals are measured."""
        return self.means if self.logs is None else self.logs

    @property
    def x(self) -> Floats:
        """log2 amounts; minus infinity for amount 0."""
        with np.errstate(divide="ignore"):
            return np.log2(self.amounts)

    @property
    def noise(self) -> float:
        """Standard deviation of single runs about the means, from replicates; 0 where there are none."""
        freedom = self.counts.sum() - len(self.counts)
        return float(np.sqrt(self.within / freedom)) if freedom > 0 else 0.0

    @property
    def positive(self) -> "Averages":
        """Without amount 0: a model that was not fine-tuned lies on no curve of fine-tuning."""
        keep = self.amounts > 0
        logs = None if self.logs is None else self.logs[keep]
        return Averages(self.amounts[keep], self.means[keep], logs, self.counts[keep], self.within)

    def problem(self) -> Problems:
        """The averages as one problem of a search."""
        logs = None if self.logs is None else self.logs[None]
        return Problems(self.x[None], self.means[None], logs, self.counts[None])


def averages(amounts: Floats, values: Floats, *, log_scale: bool) -> Averages:
    """Averages of runs in canonical order; on the log scale values must be positive."""
    distinct, places = np.unique(amounts, return_inverse=True)
    counts = np.bincount(places).astype(np.float64)
    means = np.bincount(places, values) / counts
    targets, centres, logs = values, means, None
    if log_scale:
        targets = np.log(values)
        centres = logs = np.bincount(places, targets) / counts
    deviations = targets - centres[places]
    return Averages(distinct, means, logs, counts, float(deviations @ deviations))
