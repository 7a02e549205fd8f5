"""What least squares sees of runs: the mean at each amount, how many runs it has, how they scatter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.laws.declaration import Floats
from analysis.problems import Problems

# Searches take time per amount: of more distinct amounts than this, neighbours are averaged.
MOST_AMOUNTS = 24


@dataclass(frozen=True)
class Averages:
    """One group's means per distinct amount, ascending; of logarithms too where values are losses.

    Where there are more than MOST_AMOUNTS, per stretch of so many that are equally long in log2: at the mean
    of log2, where a curve that is straight within the stretch takes the mean value.
    """

    amounts: Floats  # (K,)
    means: Floats  # (K,)
    logs: Floats | None  # (K,)
    counts: Floats  # (K,)
    within: float  # sum of squares about the means, of logarithms where there are any
    ends: Floats  # (K, 2) smallest and largest amount behind each

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

    def problem(self) -> Problems:
        """The averages as one problem of a search."""
        logs = None if self.logs is None else self.logs[None]
        return Problems(self.x[None], self.means[None], logs, self.counts[None])


def averages(amounts: Floats, values: Floats, *, log_scale: bool) -> Averages:
    """Averages of runs in canonical order; on the log scale values must be positive."""
    places = _places(amounts)
    counts = np.bincount(places).astype(np.float64)
    means = np.bincount(places, values) / counts
    targets, centres, logs = values, means, None
    if log_scale:
        targets = np.log(values)
        centres = logs = np.bincount(places, targets) / counts
    deviations = targets - centres[places]
    ends = _ends(amounts, places)
    middles = ends[:, 0]
    if (middles < ends[:, 1]).any():
        x = np.log2(np.where(amounts > 0, amounts, 1.0))
        middle_x = np.bincount(places, x) / counts
        middles = np.where(middles < ends[:, 1], np.exp2(middle_x), middles)
        deviations -= _slopes(middles, middle_x, centres)[places] * (x - middle_x[places])
    return Averages(middles, means, logs, counts, float(deviations @ deviations), ends)


def _places(amounts: Floats) -> NDArray[np.intp]:
    """Which average each run is part of; amount 0 is never averaged with others."""
    distinct, places = np.unique(amounts, return_inverse=True)
    if len(distinct) <= MOST_AMOUNTS:
        return places
    x = np.log2(distinct[distinct > 0])
    inner = np.linspace(x[0], x[-1], MOST_AMOUNTS + 1)[1:-1]
    stretches = np.concatenate([np.full(len(distinct) - len(x), -1), np.searchsorted(inner, x)])
    joined: NDArray[np.intp] = np.unique(stretches, return_inverse=True)[1][places]
    return joined


def _ends(amounts: Floats, places: NDArray[np.intp]) -> Floats:
    ends = np.tile([np.inf, -np.inf], (int(places.max()) + 1, 1))
    np.minimum.at(ends[:, 0], places, amounts)
    np.maximum.at(ends[:, 1], places, amounts)
    return ends


def _slopes(amounts: Floats, x: Floats, centres: Floats) -> Floats:
    """How steep the curve is at each average, from its neighbours: a rise within one is no scatter."""
    slopes, positive = np.zeros_like(x), amounts > 0
    if positive.sum() > 1:
        slopes[positive] = np.gradient(centres[positive], x[positive])
    return slopes
