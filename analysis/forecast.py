"""Which law and window to forecast with, and what they say about amounts that were not run.

Candidates are weighed by how well they forecast held-out amounts. The forecast is their weighted mean; its
interval holds their disagreement, the growth of held-out errors with distance, and the noise of runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.averages import Averages
from analysis.holdout import Candidate, Trial, candidates, forecast, horizons, pairs, scores, takeoffs, trials
from analysis.laws import AnyLaw, Floats
from analysis.least_squares import EXACT, ROUNDING, Estimate, t_quantile
from analysis.metric import Metric

# Further than this many times the largest amount a forecast is flagged.
FAR = 4.0
# Fewer held-out errors than this say no more about their own spread than this many do.
FEWEST_ERRORS = 2
# A take-off from equal values is as many times faster as one likes: more than this is no more unlikely.
MOST_TAKEOFF = 1e6
# Ends of an interval further out are infinite for all purposes but for arithmetic.
LARGEST_LOG = 700.0


@dataclass(frozen=True)
class Choice:
    """What the held-out amounts say about one group.

    `weights` are those of the candidates beyond the largest amount, `within` those up to it; each sum to 1.
    `growth` is the root mean square of the held-out errors per doubling ahead, None without any.
    """

    metric: Metric
    means: Averages
    tried: tuple[Trial, ...]  # of this group alone
    scores: Floats  # (C,), infinite where nothing could be held out
    weights: Floats  # (C,)
    within: Floats  # (C,)
    chosen: int
    rivals: tuple[int, ...]  # candidates that forecast as well, within one standard error
    growth: float | None
    n_errors: int

    @property
    def candidate(self) -> Candidate:
        """The law and window chosen."""
        return self.tried[self.chosen].candidate

    @property
    def holdout_error(self) -> float | None:
        """Of the candidate chosen: root mean square in points; for losses, of logarithms."""
        return _finite(self.scores[self.chosen])

    def values(self, amounts: Floats) -> Floats:
        """Each candidate's forecast (C, A)."""
        smallest = self.means.means.min(keepdims=True)
        return np.stack([forecast(one, amounts[None], self.metric, smallest)[0] for one in self.tried])

    def at(self, amounts: Floats) -> list[Estimate]:
        """The forecast at each amount, with an interval for 95 % where anything tells how sure it is."""
        values = self.values(amounts)
        if self.metric.log_scale:
            values = np.log(values)
        inside = amounts <= self.means.ends[-1, 1]
        weights = np.where(inside, self.within[:, None], self.weights[:, None])
        values = np.where(weights > 0, values, 0.0)
        centre = (weights * values).sum(axis=0)
        margins = self._margins(amounts, (weights * (values - centre) ** 2).sum(axis=0))
        ends = [centre, centre - margins, centre + margins]
        if self.metric.log_scale:
            ends = [np.exp(np.clip(end, -LARGEST_LOG, LARGEST_LOG)) for end in ends]
        low, high = self.metric.range
        clipped = [np.clip(end, low, high).tolist() for end in ends]
        return [
            Estimate(one, a, b, None) if np.isfinite(margin) else Estimate(one, None, None, None)
            for one, a, b, margin in zip(*clipped, margins.tolist(), strict=True)
        ]

    def _margins(self, amounts: Floats, between: Floats) -> Floats:
        ahead = np.maximum(np.log2(amounts) - self.means.x[-1], 0)
        noise = self.run_variance / float(self.means.counts.mean())
        quantile = t_quantile(float(max(self.n_errors, FEWEST_ERRORS)))
        margins: Floats = quantile * np.sqrt(between + ((self.growth or 0.0) * ahead) ** 2 + noise)
        if self.growth is not None:
            return margins
        # Candidates that agree and runs that do not repeat show nothing; nor does one amount of any other.
        shown = (margins > 0) & ((len(self.means.amounts) > 1) | (amounts == self.means.amounts[0]))
        return np.where(shown, margins, np.nan)

    @cached_property
    def run_variance(self) -> float:
        """Of single runs: from replicates; where they are fewer than amounts, about the laws, by weight."""
        means, n = self.means, float(self.means.counts.sum())
        freedom = np.array([n - one.candidate.law.n_free if describes(one) else 0.0 for one in self.tried])
        shares = np.where(freedom > 0, self.within, 0.0)
        if n >= 2 * len(means.counts) or not shares.any():
            return means.noise**2
        fitted = self.values(means.amounts)
        residuals = (np.log(fitted) if self.metric.log_scale else fitted) - means.targets
        sums = (means.counts * residuals**2).sum(axis=1) + means.within
        return float(shares @ (sums / np.maximum(freedom, 1)) / shares.sum())


def choose(groups: Sequence[Averages], metric: Metric, law: AnyLaw | None = None) -> list[Choice | None]:
    """A choice for each group of averages at positive amounts, in order; None where nothing can be fitted.

    With a law, that law on all amounts is the only candidate.
    """
    found: list[Choice | None] = [None] * len(groups)
    sizes = [len(group.amounts) for group in groups]
    for n_amounts in dict.fromkeys(sizes):
        places = [place for place, size in enumerate(sizes) if size == n_amounts]
        if not candidates(metric, n_amounts, law):
            continue
        alike = [groups[place] for place in places]
        tried = trials(alike, metric, law)
        all_scores = scores(tried, n_amounts)
        taken_off = takeoffs(tried, alike, metric)
        for row, place in enumerate(places):
            own = tuple(_own(trial, row) for trial in tried)
            found[place] = _choice(alike[row], metric, own, all_scores[:, row], taken_off[:, row])
    return found


def aicc(means: Averages, law: AnyLaw, fitted: Floats) -> float | None:
    """Akaike's criterion for small samples, the scatter counted as a parameter; None without df."""
    n, k = float(means.counts.sum()), law.n_free + 1
    if n - k - 1 <= 0:
        return None
    scaled = fitted if means.logs is None else np.log(fitted)
    square = float(means.counts @ (scaled - means.targets) ** 2) + means.within
    floor = n * (EXACT * max(float(np.ptp(means.targets)), EXACT)) ** 2
    return float(n * np.log(max(square, floor) / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def _own(trial: Trial, row: int) -> Trial:
    here = np.array([row])
    optima = None if trial.optima is None else trial.optima.take(here)
    return Trial(trial.candidate, trial.n_amounts, trial.linear[here], optima, trial.errors[here])


def _choice(
    means: Averages, metric: Metric, tried: tuple[Trial, ...], score: Floats, takeoff: Floats
) -> Choice:
    noise = means.noise / np.sqrt(float(means.counts.mean()))
    believed = _believed(tried, score, means)
    weights = _weights(tried, believed, noise, takeoff)
    describing = np.where([describes(one) for one in tried], believed, np.inf)
    held_out = pairs(len(means.amounts))
    ahead = horizons(means.x[None], held_out)[0]
    counted = np.array([one.weight for one in held_out])
    growth, n_errors = _growth(tried, weights, counted, ahead, _half_step(means))
    rivals = _rivals(believed, len(held_out), noise)
    return Choice(
        metric=metric,
        means=means,
        tried=tried,
        scores=score,
        weights=weights,
        within=_within(tried, describing, noise, takeoff),
        chosen=_simplest(tried, believed, rivals),
        rivals=rivals,
        growth=growth,
        n_errors=n_errors,
    )


def describes(trial: Trial) -> bool:
    """Whether a candidate follows all the amounts: a window says nothing of those before it."""
    return trial.candidate.window == 0 and trial.candidate.law.n_free > 1


def _believed(tried: Sequence[Trial], score: Floats, means: Averages) -> Floats:
    """Errors that are rounding are none; without any such, so are those of a law that meets all the runs."""
    targets = means.targets
    rounding = max(EXACT * float(np.ptp(targets)), ROUNDING * float(np.abs(targets).max()))
    if (score <= rounding).any():
        return np.where(score <= rounding, 0.0, score)
    exact = np.array([bool(one.exact[0]) and means.noise <= rounding for one in tried])
    return np.where(exact, 0.0, score)


def _weights(tried: Sequence[Trial], score: Floats, noise: float, takeoff: Floats) -> Floats:
    """Trust over mean squared error; errors below the best one and below noise are not told apart.

    Where nothing could be held out, half is the simplest law that has a slope, half the last value.
    """
    trust = np.array([one.candidate.trust for one in tried]) / np.clip(takeoff, 1, MOST_TAKEOFF) ** 2
    known = np.isfinite(score)
    if not known.any():
        carried = [place for place, one in enumerate(tried) if one.candidate.window == 1]
        halves: Floats = np.eye(len(tried))[[_default(tried), *carried]].mean(axis=0)
        return halves
    floor = score[known].min() ** 2 + noise**2
    squares = np.where(known, score, np.inf) ** 2 + floor
    raw = np.where(squares == 0, trust, 0.0) if floor == 0 else np.where(known, trust / squares, 0.0)
    weights: Floats = raw / raw.sum()
    return weights


def _within(tried: Sequence[Trial], score: Floats, noise: float, takeoff: Floats) -> Floats:
    """The same up to the largest amount, with the errors of what describes all the amounts."""
    if np.isfinite(score).any():
        return _weights(tried, score, noise, takeoff)
    alone: Floats = np.eye(len(tried))[_default(tried)]
    return alone


def _default(tried: Sequence[Trial]) -> int:
    """Without held-out errors: the most trusted law with two parameters, or else with one."""

    def rank(place: int) -> tuple[int, float]:
        candidate = tried[place].candidate
        return abs(candidate.law.n_free - 2), -candidate.trust

    return min(range(len(tried)), key=rank)


def _growth(
    tried: Sequence[Trial], weights: Floats, counted: Floats, ahead: Floats, least: float
) -> tuple[float | None, int]:
    """Root mean square of the forecast's held-out errors per doubling ahead, and how many there are.

    A single error may be small by luck: then it is `least` or more.
    """
    errors = np.concatenate([one.errors for one in tried])
    shares = np.where(np.isfinite(errors), weights[:, None], 0.0)
    totals = shares.sum(axis=0)
    known = totals > 0
    if not known.any():
        return None, 0
    stacked = (shares * np.nan_to_num(errors))[:, known].sum(axis=0) / totals[known]
    per_doubling = (stacked / ahead[known]) ** 2
    growth = float(np.sqrt(counted[known] @ per_doubling / counted[known].sum()))
    n_errors = int(known.sum())
    return (max(growth, least) if n_errors < FEWEST_ERRORS else growth), n_errors


def _half_step(means: Averages) -> float:
    """Half of what the last doubling changed: as far from carrying the last value on as from the line."""
    if len(means.amounts) < 2:
        return 0.0
    return float(abs(np.diff(means.targets[-2:]) / np.diff(means.x[-2:]))[0]) / 2


def _rivals(score: Floats, n_errors: int, noise: float) -> tuple[int, ...]:
    """Candidates whose mean squared error is within one standard error of the best one's, or within noise.

    The relative standard error of a mean of n squares of normal errors is the root of 2 / n.
    """
    if not np.isfinite(score).any():
        return ()
    best = float(score[np.isfinite(score)].min())
    most = best**2 * (1 + np.sqrt(2 / n_errors)) + noise**2
    return tuple(np.flatnonzero(score**2 <= most).tolist())


def _simplest(tried: Sequence[Trial], score: Floats, rivals: tuple[int, ...]) -> int:
    """Of the candidates that cannot be told apart: fewest parameters, then most amounts, then least error."""
    if not rivals:
        return _default(tried)

    def rank(place: int) -> tuple[int, bool, int, float]:
        candidate = tried[place].candidate
        return candidate.law.n_free, candidate.last_amounts > 0, -candidate.last_amounts, score[place]

    return min(rivals, key=rank)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
