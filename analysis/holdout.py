"""Rolling leave-largest-out: each law, on each window, forecasts the larger amounts from the smaller ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.averages import Averages
from analysis.laws import FORECASTERS, AnyLaw, CurvedLaw, Floats, Law
from analysis.least_squares import EXACT
from analysis.metric import Metric
from analysis.problems import Problems
from analysis.projection import Optima, fitted_at, optimise
from analysis.searched import bounds_of
from analysis.weighted import combined, solve_bounded

# A fit that forecasts sees this many amounts, if the group has one more; with fewer a line is no forecast.
FEWEST_SEEN = 3
# From each of the last origins, this many amounts ahead; recent origins count more.
MOST_ORIGINS = 5
STEPS_AHEAD = 2
DECAY = 0.7
# A candidate is scored where it forecasts this share of the held-out amounts, by weight, or more.
ENOUGH = 0.5
# Doublings ahead at which it is seen whether a candidate takes off.
AHEAD = 2.0
# Below this share of the sum of squares a residual sum is what arithmetic leaves.
EXACT_SHARE = 1e-22
# A forecast loss is kept above this share of the smallest measured one.
SMALLEST_SHARE = 1e-3


@dataclass(frozen=True)
class Candidate:
    """A law fitted to the last so many amounts (0: all), and how much it is trusted beforehand."""

    law: AnyLaw
    last_amounts: int
    trust: float

    @property
    def window(self) -> int:
        """How many of the largest amounts are looked at, by the window or by the law itself; 0: all."""
        own = self.law.last_amounts if isinstance(self.law, Law) else None
        return own or self.last_amounts


@dataclass(frozen=True)
class Pair:
    """A held-out amount: forecast at place `target` from the amounts before place `origin`."""

    origin: int
    target: int
    weight: float


@dataclass(frozen=True)
class Trial:
    """One candidate in B groups: its fits to everything in its window, and its errors on held-out amounts.

    Errors (B, E) are those of `pairs`, on the scale of the residuals; nan where too few amounts were seen.
    """

    candidate: Candidate
    n_amounts: int
    linear: Floats  # (B, p)
    optima: Optima | None  # of a curved law
    errors: Floats

    @property
    def exact(self) -> NDArray[np.bool_]:
        """(B,): a search that meets more amounts than it has parameters, up to rounding."""
        law = self.candidate.law
        if self.optima is None or self.candidate.last_amounts or self.n_amounts <= law.n_free:
            return np.zeros(len(self.linear), dtype=bool)
        exact: NDArray[np.bool_] = self.optima.relative < EXACT_SHARE
        return exact


def candidates(metric: Metric, n_amounts: int, law: AnyLaw | None = None) -> list[Candidate]:
    """What may forecast groups of so many amounts; with a law, that law on all amounts alone."""
    if law is not None:
        return [Candidate(law, 0, 1.0)] if n_amounts >= law.fewest_amounts else []
    found = []
    for one in FORECASTERS:
        trusts = one.trust.loss if metric.log_scale else one.trust.accuracy
        windows: dict[int, float] = {}
        for last_amounts, trust in trusts.items():
            windows.setdefault(last_amounts if last_amounts < n_amounts else 0, trust)
        if n_amounts >= one.fewest_amounts:
            found += [Candidate(one, last_amounts, trust) for last_amounts, trust in windows.items()]
    return found


def pairs(n_amounts: int) -> list[Pair]:
    """The held-out amounts of groups with so many; none under three."""
    if n_amounts < FEWEST_SEEN:
        return []
    first = max(min(FEWEST_SEEN, n_amounts - 1), n_amounts - MOST_ORIGINS)
    return [
        Pair(origin, target, DECAY ** (n_amounts - 1 - origin))
        for origin in range(first, n_amounts)
        for target in range(origin, min(origin + STEPS_AHEAD, n_amounts))
    ]


def trials(groups: Sequence[Averages], metric: Metric, law: AnyLaw | None = None) -> list[Trial]:
    """Try all candidates on groups that have the same number of amounts, all positive."""
    data = _Batch.of(groups)
    found = candidates(metric, data.n_amounts, law)
    ends = [*sorted({pair.origin for pair in pairs(data.n_amounts)}), data.n_amounts]
    fits: dict[int, dict[_Window, _Fits]] = {}
    for one in dict.fromkeys(id(candidate.law) for candidate in found):
        own = [candidate for candidate in found if id(candidate.law) == one]
        windows = [_window(candidate, end) for candidate in own for end in ends]
        known = dict.fromkeys(window for window in windows if window is not None)
        fits[one] = _fits(own[0].law, data, metric, list(known))
    return [_trial(one, data, fits[id(one.law)]) for one in found]


def forecast(trial: Trial, amounts: Floats, metric: Metric, smallest: Floats) -> Floats:
    """Values (B, A) of the candidate's fits at amounts (B, A), within the metric's range.

    `smallest` (B,) is the smallest measured value, which keeps a loss from falling to 0.
    """
    with np.errstate(divide="ignore"):
        x = np.log2(amounts)
    return _kept(_values(trial.candidate.law, x, trial.linear, trial.optima), metric, smallest)


_Window = tuple[int, int]  # places of the first amount seen and of the first one beyond


@dataclass(frozen=True)
class _Fits:
    linear: Floats
    optima: Optima | None
    values: Floats  # (B, K) at the positive amounts


@dataclass(frozen=True)
class _Batch:
    """Groups side by side, (B, K)."""

    x: Floats
    means: Floats
    logs: Floats | None
    counts: Floats

    @classmethod
    def of(cls, groups: Sequence[Averages]) -> "_Batch":
        x = np.stack([group.x for group in groups])
        means = np.stack([group.means for group in groups])
        logs = None
        if groups[0].logs is not None:
            logs = np.stack([group.logs for group in groups if group.logs is not None])
        return cls(x, means, logs, np.stack([group.counts for group in groups]))

    @property
    def n_amounts(self) -> int:
        return int(self.x.shape[1])

    @property
    def targets(self) -> Floats:
        return self.means if self.logs is None else self.logs

    def seen(self, first: int, end: int) -> Problems:
        """The amounts from place `first` to before `end`; others have no weight and stand at the last one."""
        weights = np.zeros_like(self.x)
        weights[:, first:end] = self.counts[:, first:end]
        x = np.where(weights > 0, self.x, self.x[:, end - 1 : end])
        return Problems(x, self.means, self.logs, weights)


def _trial(candidate: Candidate, data: _Batch, fits: Mapping[_Window, _Fits]) -> Trial:
    held_out = pairs(data.n_amounts)
    everything = _window(candidate, data.n_amounts)
    assert everything is not None
    errors = np.full((len(data.x), len(held_out)), np.nan)
    for place, pair in enumerate(held_out):
        window = _window(candidate, pair.origin)
        if window is not None:
            ahead = fits[window].values[:, pair.target]
            scaled = ahead if data.logs is None else np.log(ahead)
            errors[:, place] = scaled - data.targets[:, pair.target]
    final = fits[everything]
    return Trial(candidate, data.n_amounts, final.linear, final.optima, errors)


def _window(candidate: Candidate, end: int) -> _Window | None:
    """The places that the candidate sees of those before `end`; None where they are too few."""
    first = max(0, end - candidate.window) if candidate.window else 0
    return (first, end) if end - first >= candidate.law.fewest_amounts else None


def _fits(law: AnyLaw, data: _Batch, metric: Metric, windows: Sequence[_Window]) -> dict[_Window, _Fits]:
    """The law in all windows of all groups, searched for side by side."""
    problems = Problems.joined([data.seen(*window) for window in windows])
    optima = None
    if isinstance(law, CurvedLaw):
        optima = optimise(law, problems, bounds_of(law, metric))
        linear = optima.linear
    else:
        linear = _line(law, problems)
    n = len(data.x)
    found = {}
    for place, window in enumerate(windows):
        rows = np.arange(place * n, (place + 1) * n)
        own = None if optima is None else optima.take(rows)
        values = _values(law, data.x, linear[rows], own)
        found[window] = _Fits(linear[rows], own, _kept(values, metric, data.means.min(axis=1)))
    return found


def _line(law: Law, problems: Problems) -> Floats:
    anywhere = ((-np.inf, np.inf),) * len(law.parameters)
    design = _design(law, problems.x)
    return solve_bounded(design, problems.means, problems.weights, anywhere).linear


def _design(law: Law, x: Floats) -> Floats:
    rows = law.design(np.exp2(x).ravel())
    return rows.reshape(*x.shape, len(law.parameters))


def _values(law: AnyLaw, x: Floats, linear: Floats, optima: Optima | None) -> Floats:
    if isinstance(law, CurvedLaw):
        assert optima is not None
        return fitted_at(law, x, optima.shapes, linear)
    return combined(_design(law, x), linear)


def _kept(values: Floats, metric: Metric, smallest: Floats) -> Floats:
    low, high = metric.range
    floor = SMALLEST_SHARE * smallest[:, None] if metric.log_scale else low
    kept: Floats = np.clip(values, floor, high)
    return kept


def scores(tried: Sequence[Trial], n_amounts: int) -> Floats:
    """Weighted root mean square of the errors, (C, B); infinite where too few of them can be had."""
    held_out = pairs(n_amounts)
    if not held_out:
        return np.full((len(tried), len(tried[0].linear)), np.inf)
    weights = np.array([pair.weight for pair in held_out])
    rows = []
    for trial in tried:
        there = np.isfinite(trial.errors)
        counted = np.where(there, weights, 0.0)
        total = counted.sum(axis=1)
        square = np.vecdot(counted, np.where(there, trial.errors, 0.0) ** 2)
        enough = total >= ENOUGH * weights.sum()
        rows.append(np.where(enough, np.sqrt(square / np.where(enough, total, 1.0)), np.inf))
    return np.stack(rows)


def takeoffs(tried: Sequence[Trial], groups: Sequence[Averages], metric: Metric) -> Floats:
    """How many times faster than ever between neighbouring amounts a candidate changes ahead, (C, B)."""
    data = _Batch.of(groups)
    steepest = np.abs(np.diff(data.targets, axis=1) / np.diff(data.x, axis=1)).max(axis=1, initial=0)
    steepest = np.maximum(steepest, EXACT * np.abs(data.targets).max(axis=1) + np.finfo(float).tiny)
    ahead = np.exp2(data.x[:, -1:] + np.array([0.0, AHEAD]))
    rows = []
    for trial in tried:
        values = forecast(trial, ahead, metric, data.means.min(axis=1))
        if metric.log_scale:
            values = np.log(values)
        rows.append(np.abs(values[:, 1] - values[:, 0]) / AHEAD / steepest)
    return np.stack(rows)


def horizons(x: Floats, held_out: Sequence[Pair]) -> Floats:
    """Doublings (B, E) between the largest amount seen and the one forecast; x (B, K) log2 amounts."""
    ends = [x[:, pair.target] - x[:, pair.origin - 1] for pair in held_out]
    return np.stack(ends, axis=1) if ends else np.zeros((len(x), 0))
