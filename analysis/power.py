"""How many seeds, amounts and test items resolve a difference of slopes, and which cell says most next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

from analysis.laws import Floats
from analysis.least_squares import CONFIDENCE, FEWEST_CHAINS, Level, t_quantile

POWER = 0.80
MOST_SEEDS = 1000
# This many standard errors beyond the quantile there is no doubt, and no library computes a noncentral t.
CERTAIN = 30.0
# From here on the test rejects on the other side with a chance below 1e-8, which SciPy may give as nan.
ONE_SIDED = 5.0


@dataclass(frozen=True)
class Scatter:
    """What repeats of a cell differ by, in the unit of the values.

    The variance of a run is that of its seeds and `item_variance / n_items`: luck with single test items,
    which more items make smaller. Chains may have slopes of their own. `correlation` is that of the runs of
    two strategies which share seeds.
    """

    seed_sd: float
    item_variance: float = 0.0
    n_items: float = 1.0
    slope_sd: float = 0.0  # per doubling
    correlation: float = 0.0

    @property
    def run_sd(self) -> float:
        """Standard deviation of a run about the mean of its amount."""
        return float(np.sqrt(self.seed_sd**2 + self.item_variance / self.n_items))


@dataclass(frozen=True)
class Design:
    """What is run of each strategy: distinct amounts, and seeds at each."""

    amounts: tuple[float, ...]
    seeds: int

    @property
    def spread(self) -> float:
        """Sum of squares of log2(amount) about its mean, over distinct amounts."""
        x = np.log2(np.array(self.amounts))
        return float(((x - x.mean()) ** 2).sum())


def slope_error(design: Design, scatter: Scatter) -> float:
    """Standard error of one slope."""
    variance = scatter.run_sd**2 / design.spread + scatter.slope_sd**2
    return float(np.sqrt(variance / design.seeds))


def difference_error(design: Design, scatter: Scatter) -> float:
    """Standard error of the difference of two slopes."""
    return slope_error(design, scatter) * float(np.sqrt(2 * (1 - scatter.correlation)))


def degrees_of_freedom(design: Design, scatter: Scatter, level: Level) -> int:
    """Of a difference of slopes: over chains, which both strategies share, or over runs.

    Runs of two strategies that share nothing have the degrees of freedom of both.
    """
    if level is Level.CHAIN:
        return design.seeds - 1
    of_one = len(design.amounts) * design.seeds - 2
    return of_one if scatter.correlation else 2 * of_one


def level_of(seeds: int) -> Level:
    """The level on which a comparison of so many chains is reported."""
    return Level.CHAIN if seeds >= FEWEST_CHAINS else Level.RUN


def power(difference: float, design: Design, scatter: Scatter, level: Level) -> float:
    """Chance that a two-sided 5 % test finds a difference of slopes (noncentral t)."""
    freedom, error = degrees_of_freedom(design, scatter, level), difference_error(design, scatter)
    if freedom < 1:
        return 0.0
    if error == 0:
        return 1.0
    t, shift = t_quantile(float(freedom)), abs(difference) / error
    if shift > t + CERTAIN and freedom > 1:
        return 1.0
    other_side = special.nctdtr(freedom, shift, -t) if shift < ONE_SIDED else 0.0
    return float(1 - special.nctdtr(freedom, shift, t) + other_side)


def seeds_needed(
    difference: float, amounts: Sequence[float], scatter: Scatter, level: Level, wanted: float = POWER
) -> int | None:
    """The fewest seeds per amount that find the difference; None beyond a thousand."""
    fewest = FEWEST_CHAINS if level is Level.CHAIN else 1
    if power(difference, Design(tuple(amounts), MOST_SEEDS), scatter, level) < wanted:
        return None
    low, high = fewest - 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(difference, Design(tuple(amounts), middle), scatter, level) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def items_needed(difference: float, design: Design, scatter: Scatter, wanted: float = POWER) -> int | None:
    """The fewest test items that find the difference with these seeds; None where no number of items would.

    None too where nothing is known of luck with single items.
    """
    level = level_of(design.seeds)
    if (
        scatter.item_variance == 0
        or power(difference, design, replace(scatter, item_variance=0.0), level) < wanted
    ):
        return None

    def lacking(log_items: float) -> float:
        return power(difference, design, replace(scatter, n_items=float(np.exp(log_items))), level) - wanted

    if lacking(0.0) >= 0:
        return 1
    # Power rises with items towards that without their luck, which is enough.
    top = next(exponent for exponent in range(2, 60, 2) if lacking(exponent) >= 0 or exponent == 58)
    return int(np.ceil(np.exp(optimize.brentq(lacking, 0.0, top)))) if lacking(top) >= 0 else None


def smallest_difference(design: Design, scatter: Scatter, wanted: float = POWER) -> float | None:
    """The difference of slopes that this design finds with the power wanted; None without a test."""
    level = level_of(design.seeds)
    error = difference_error(design, scatter)
    if degrees_of_freedom(design, scatter, level) < 1 or error == 0:
        return None
    found = optimize.brentq(
        lambda shift: power(shift * error, design, scatter, level) - wanted, 0.0, 1000.0, xtol=1e-6
    )
    return float(found * error)


def half_width(design: Design, scatter: Scatter) -> float | None:
    """Half the expected width of the 95 % interval of one slope; None where there will be no interval.

    It is that of the standard error expected: single studies scatter about it.
    """
    level = level_of(design.seeds)
    freedom = design.seeds - 1 if level is Level.CHAIN else len(design.amounts) * design.seeds - 2
    if freedom < 1 or design.spread == 0:
        return None
    return t_quantile(float(freedom), CONFIDENCE) * slope_error(design, scatter)


@dataclass(frozen=True)
class NextCell:
    """One more run at `amount`: by what share it narrows the slope, and what it costs."""

    amount: float
    narrowing: float  # share of the variance of the slope that it removes
    hours: float

    @property
    def per_hour(self) -> float:
        """Share of the variance removed per hour."""
        return self.narrowing / self.hours


def next_cells(amounts: Floats, candidates: Sequence[float], hours: Floats) -> list[NextCell]:
    """What one more run at each candidate does for the slope through runs at `amounts`, best per hour first.

    Closed form for a line: with M = sum f f', f = (1, x), target c = (0, 1), a run at x takes
    (c' M^-1 f)^2 / (1 + f' M^-1 f) off the variance c' M^-1 c (V-optimal design, `docs/statistics.md`).
    """
    f = np.column_stack([np.ones(len(amounts)), np.log2(amounts)])
    inverse = np.linalg.inv(f.T @ f)
    found = [NextCell(*cell) for cell in _narrowing(inverse, candidates, hours)]
    return sorted(found, key=lambda cell: -cell.per_hour)


def _narrowing(
    inverse: Floats, candidates: Sequence[float], hours: Floats
) -> Iterator[tuple[float, float, float]]:
    target = np.array([0.0, 1.0])
    for amount, cost in zip(candidates, hours.tolist(), strict=True):
        one = np.array([1.0, np.log2(amount)])
        removed = (target @ inverse @ one) ** 2 / (1 + one @ inverse @ one)
        yield float(amount), float(removed / (target @ inverse @ target)), cost
