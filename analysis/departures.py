"""How the means of a curve depart from a straight line: lack of fit, bend, break."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.fitting import LackOfFit, Runs
from analysis.geometry import VANISHED, Geometry, geometry, unit
from analysis.laws import Floats
from analysis.least_squares import CONFIDENCE, negligible, t_quantile

# A departure is one where all tests together would find so much under a line this seldom.
CHANCE = 0.05
# Two one-sided tests at 5 % ask for the 90 % interval.
EQUIVALENCE = 0.90
# A plateau is estimated with a slope of its own: up to this share of the first slope backwards is none.
BACKWARDS = 0.25
# A grid's best place is sought anew between its neighbours, this often and among so many.
ZOOMS, ZOOMED = 2, 33


@dataclass(frozen=True)
class Break:
    """The test for one change of slope, and where it is.

    `p` is exact under normal errors: the largest F over all places of the break, against its distribution
    under a line with the same design. `low` and `high` are the ends of the 95 % profile interval of
    `amount`; None where it reaches the outermost amount at which a break could be seen.
    """

    F: float
    p: float
    amount: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Bend:
    """How far the middle of a parabola through the means lies above its chord, in the unit of the values.

    `low` and `high` are the 90 % interval, for two one-sided tests at 5 %.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    degrees_of_freedom: int

    def within(self, margin: float) -> bool:
        """Whether both one-sided tests find it smaller than `margin`."""
        return -margin < self.low and self.high < margin


@dataclass(frozen=True)
class Shape:
    """A curve of two more parameters than a line: what it leaves, and its slopes (per doubling) at both ends.

    `p_left` is the p of the lack of fit of what it leaves; None where that cannot be tested.
    """

    residual_sum: float
    first_slope: float
    last_slope: float
    p_left: float | None

    @property
    def flattens(self) -> bool:
        """Whether it goes on in its direction by less and less; a plateau may seem to turn back a little."""
        if self.first_slope == 0:
            return False
        return -BACKWARDS <= self.last_slope / self.first_slope < 1


@dataclass(frozen=True)
class Departures:
    """The tests of one curve, None where its design does not carry one; `p` is that of all together."""

    n_amounts: int
    exact: bool  # on a line up to rounding: nothing to test
    lack_of_fit: LackOfFit | None = None
    bend: Bend | None = None
    change: Break | None = None
    p: float | None = None
    # Only where p is below CHANCE: a line with a break, and a + b x + c 2^(-rate x) at its best rate.
    broken: Shape | None = None
    curved: Shape | None = None


@dataclass(frozen=True)
class _Parts:
    """The values of a curve in the parts of their geometry."""

    design: Geometry
    runs: Runs
    means: Floats  # (r,)
    line_sum: float  # residual sum about the lines of the chains
    within: float  # of pure error

    def profile(self, directions: Floats) -> Floats:
        """The residual sum with each column of `directions` (r, q), of length 1, beside the lines."""
        return np.maximum(self.line_sum - (self.means @ directions) ** 2, self.within)

    def least(self, family: Callable[[Floats], Floats], grid: Floats, profile: Floats) -> float:
        """Which member of a family of regressors (q,) -> (n, q) leaves least; zooms in on the grid's best."""
        best = int(np.argmin(profile))
        for _ in range(ZOOMS):
            grid = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], ZOOMED)
            best = int(np.argmin(self.profile(unit(self.design.means.T @ family(grid)))))
        return float(grid[best])


def departures(runs: Runs) -> Departures:
    """Test whether the means of `runs` lie on a line; amounts must be positive.

    Replicates without any scatter are no replicates: their means are tested as single runs.
    """
    parts = _parts(runs)
    if parts.design.df_within > 0 and negligible(parts.within, runs.values):
        parts = _parts(_means(runs))
    design, n_amounts = parts.design, len(parts.design.amounts)
    if design.r == 0 or negligible(parts.line_sum, runs.values):
        return Departures(n_amounts, exact=design.r > 0)
    fitting, bend = _lack_of_fit(parts), _bend(parts)
    if not design.carries_a_break:
        return Departures(n_amounts, False, fitting, bend, p=fitting.p if fitting else None)
    change = _break(parts)
    p = change.p if fitting is None else design.null.p_of_both(min(change.p, fitting.p))
    if p >= CHANCE:
        return Departures(n_amounts, False, fitting, bend, change, p)
    return Departures(n_amounts, False, fitting, bend, change, p, _broken(parts, change), _curved(parts))


def _parts(runs: Runs) -> _Parts:
    design = geometry(runs.amounts, runs.chains)
    means = design.means.T @ runs.values
    about_lines = runs.values - design.lines @ (design.lines.T @ runs.values)
    # Not the difference of two sums of squares: what it loses to rounding would pass for scatter.
    about_means = about_lines - design.means @ (design.means.T @ about_lines)
    line_sum = float(about_lines @ about_lines)
    return _Parts(design, runs, means, line_sum, float(about_means @ about_means))


def _means(runs: Runs) -> Runs:
    """One run per amount, the mean of those there are."""
    amounts, places, counts = np.unique(runs.amounts, return_inverse=True, return_counts=True)
    return Runs(amounts, np.bincount(places, runs.values) / counts, None, [""] * len(amounts))


def _lack_of_fit(parts: _Parts) -> LackOfFit | None:
    """F test of the means beside the lines against the scatter within amounts and chains."""
    between, within = parts.design.r, parts.design.df_within
    if within < 1:
        return None
    F = max(parts.line_sum - parts.within, 0.0) / between / (parts.within / within)
    return LackOfFit(F, between, within, float(special.fdtrc(between, within, F)))


def _bend(parts: _Parts) -> Bend | None:
    """The coefficient of the parabola, with the scatter about it."""
    direction, freedom = parts.design.parabola, parts.design.df_line - 1
    length = float(np.linalg.norm(direction))
    if freedom < 1 or length <= VANISHED:
        return None
    estimate = float(parts.means @ direction) / length**2
    scatter = max(parts.line_sum - (estimate * length) ** 2, 0.0) / freedom
    error = float(np.sqrt(scatter)) / length
    margin = t_quantile(float(freedom), EQUIVALENCE) * error
    return Bend(estimate, estimate - margin, estimate + margin, error, freedom)


def _break(parts: _Parts) -> Break:
    """The sup-F test and the profile interval."""
    design, freedom = parts.design, parts.design.df_line - 2
    left = parts.profile(design.broken)
    least = max(float(left.min()), np.finfo(float).eps ** 2 * parts.line_sum)
    F = (parts.line_sum - least) / (least / freedom)
    # {place: RSS(place) <= RSS_min (1 + F_{1, df} / df)}, as in docs/statistics.md; F_{1, df} = t^2.
    inside = design.places[left <= least * (1 + t_quantile(float(freedom), CONFIDENCE) ** 2 / freedom)]
    place = parts.least(design.hinges, design.places, left)
    origin = parts.runs.amounts.min()
    return Break(
        F=F,
        p=design.null.p_of_break(F),
        amount=float(origin * 2**place),
        low=None if inside[0] == design.places[0] else float(origin * 2 ** min(inside[0], place)),
        high=None if inside[-1] == design.places[-1] else float(origin * 2 ** max(inside[-1], place)),
    )


def _broken(parts: _Parts, change: Break) -> Shape:
    place = np.log2(change.amount / parts.runs.amounts.min())
    hinge = parts.design.hinges(np.array([place]))
    step, slope, residual_sum = _fitted(parts, hinge)
    return Shape(residual_sum, slope, slope + step, _p_left(parts, residual_sum))


def _curved(parts: _Parts) -> Shape:
    design = parts.design
    rate = parts.least(design.exponentials, design.rates, parts.profile(design.curved))
    curve = design.exponentials(np.array([rate]))
    size, slope, residual_sum = _fitted(parts, curve)
    first, last = (
        slope - size * rate * float(np.log(2) * curve[end, 0])
        for end in (np.argmin(design.x), np.argmax(design.x))
    )
    return Shape(residual_sum, first, last, _p_left(parts, residual_sum))


def _fitted(parts: _Parts, added: Floats) -> tuple[float, float, float]:
    """The coefficient of `added` (n, 1), the slope of the line beside it, and what both leave."""
    direction = (parts.design.means.T @ added)[:, 0]
    size = float(parts.means @ direction / (direction @ direction))
    x = parts.design.x - parts.design.x.mean()
    slope = float(x @ (parts.runs.values - size * added[:, 0]) / (x @ x))
    return size, slope, float(parts.profile(unit(direction[:, None]))[0])


def _p_left(parts: _Parts, residual_sum: float) -> float | None:
    """The lack of fit of a shape that spent two of the dimensions of the means."""
    between, within = parts.design.r - 2, parts.design.df_within
    if between < 1 or within < 1:
        return None
    F = max(residual_sum - parts.within, 0.0) / between / (parts.within / within)
    return float(special.fdtrc(between, within, F))
