"""What a design says of departures from a line before any value is known, and what chance makes of it.

Each chain may have an intercept and a slope of its own: both are projected out, so under a log-linear truth
the tests behave the same however large the luck of chains is (`docs/statistics.md`).
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.laws import Floats

# A break needs two distinct amounts on each side, as a slope does.
FEWEST_AMOUNTS_FOR_A_BREAK = 4
PLACES = 61
# Curves with more distinct amounts are seen as broken lines with corners at so many of them.
MOST_KNOTS = 16
# Rates of a smooth bend, per doubling: from a parabola to one that is over within two doublings.
RATES = np.geomspace(0.05, 1.5, 40)
# Null draws of a design: the standard error of a p-value of .05 is .0015.
DRAWS = 19_999
AT_ONCE = 1_000
SEED = 20_506
# A direction shorter than this share of its own length before projection is rounding.
VANISHED = 1e-9


@dataclass(frozen=True)
class Null:
    """Sorted draws under a true line: the largest F of a break, and the least p of break and lack of fit."""

    largest: Floats
    least: Floats

    def p_of_break(self, F: float) -> float:
        """Share of draws, the observation among them, at least as large."""
        return float(len(self.largest) - np.searchsorted(self.largest, F) + 1) / (len(self.largest) + 1)

    def p_of_both(self, least: float) -> float:
        """Share of draws, the observation among them, whose least p is at most `least`."""
        return float(np.searchsorted(self.least, least, side="right") + 1) / (len(self.least) + 1)


@dataclass(frozen=True)
class Geometry:
    """The parts of a value vector (n,): the lines of the chains; what means say beside them; pure error."""

    x: Floats  # (n,) log2 of the amounts
    lines: Floats  # (n, p) orthonormal
    means: Floats  # (n, r) orthonormal: what functions of the amount, linear between knots, add to the lines

    @property
    def r(self) -> int:
        """Dimensions in which means can depart from a line."""
        return int(self.means.shape[1])

    @property
    def df_line(self) -> int:
        """Degrees of freedom about the lines."""
        return len(self.x) - int(self.lines.shape[1])

    @property
    def df_within(self) -> int:
        """Degrees of freedom of pure error."""
        return self.df_line - self.r

    @cached_property
    def amounts(self) -> Floats:
        """Distinct log2 amounts, rising."""
        return np.unique(self.x)

    @cached_property
    def knots(self) -> Floats:
        """The distinct log2 amounts, or where there are more than MOST_KNOTS as many evenly ranked ones."""
        return _knots(self.amounts)

    @property
    def carries_a_break(self) -> bool:
        """Whether the change of slope and its place leave something to estimate the scatter from."""
        return len(self.amounts) >= FEWEST_AMOUNTS_FOR_A_BREAK and self.r >= 1 and self.df_line >= 3

    @cached_property
    def places(self) -> Floats:
        """Where a break is sought, in log2 of the amount: an even grid, and the knots themselves."""
        inner = self.knots[1:-1]
        return np.union1d(np.linspace(inner[0], inner[-1], PLACES), inner)

    def hinges(self, places: Floats) -> Floats:
        """(n, places): max(x - place, 0)."""
        return np.maximum(self.x[:, None] - places, 0.0)

    @cached_property
    def rates(self) -> Floats:
        """Rates of smooth bends, per doubling; a curve with a positive one is straight in the end."""
        return np.concatenate([-RATES[::-1], RATES])

    def exponentials(self, rates: Floats) -> Floats:
        """(n, rates): 2^(-rate x), scaled to 1 in the middle."""
        curves: Floats = np.exp2(-rates * (self.x[:, None] - (self.amounts[0] + self.amounts[-1]) / 2))
        return curves

    @cached_property
    def broken(self) -> Floats:
        """(r, places): the hinges beside the lines, scaled to length 1."""
        return unit(self.means.T @ self.hinges(self.places))

    @cached_property
    def curved(self) -> Floats:
        """(r, rates): the exponentials beside the lines, scaled to length 1."""
        return unit(self.means.T @ self.exponentials(self.rates))

    @cached_property
    def parabola(self) -> Floats:
        """(r,): the parabola whose middle lies one unit above its chord, beside the lines."""
        middle, span = (self.amounts[0] + self.amounts[-1]) / 2, np.ptp(self.amounts)
        coordinates: Floats = self.means.T @ (-4 * ((self.x - middle) / span) ** 2)
        return coordinates

    @cached_property
    def null(self) -> Null:
        """The tests under a true line with normal errors, simulated once; the same in every process."""
        generator = np.random.default_rng(SEED)
        between = generator.standard_normal((DRAWS, self.r))
        within = generator.chisquare(self.df_within, DRAWS) if self.df_within else np.zeros(DRAWS)
        line_sums = (between**2).sum(axis=1) + within
        gains = np.concatenate(
            [((part @ self.broken) ** 2).max(axis=1) for part in np.array_split(between, DRAWS // AT_ONCE)]
        )
        F = gains / ((line_sums - gains) / (self.df_line - 2))
        order = np.argsort(F)
        chances = np.empty(DRAWS)
        chances[order] = np.arange(DRAWS, 0, -1) / (DRAWS + 1)
        if self.df_within:
            ratio = ((line_sums - within) / self.r) / (within / self.df_within)
            chances = np.minimum(chances, special.fdtrc(self.r, self.df_within, ratio))
        return Null(F[order], np.sort(chances))


def unit(directions: Floats) -> Floats:
    """Columns scaled to length 1; those without length stay 0."""
    lengths = np.linalg.norm(directions, axis=0)
    return directions / np.where(lengths > VANISHED, lengths, np.inf)


def geometry(amounts: Floats, chains: NDArray[np.intp] | None) -> Geometry:
    """The geometry of runs; one object for all that share it up to a factor of the amounts.

    Chains of one or two runs are spent on their own lines; where chains are unknown, or single runs all of
    them, the runs share one line.
    """
    x = np.log2(amounts)
    known = np.zeros(0, dtype=np.intp) if chains is None else chains
    return _geometry(np.round(x - x.min(), 9).tobytes(), known.tobytes())


@lru_cache(maxsize=512)
def _geometry(x_bytes: bytes, chain_bytes: bytes) -> Geometry:
    x, chains = np.frombuffer(x_bytes), np.frombuffer(chain_bytes, dtype=np.intp)
    member = np.ones((len(x), 1))
    if len(chains) and len(np.unique(chains)) < len(x):
        member = (chains[:, None] == np.unique(chains)).astype(np.float64)
    lines = _column_space(np.hstack([member, member * x[:, None]]))
    knots = _knots(np.unique(x))
    # At most MOST_KNOTS amounts make these the indicators of single amounts.
    hats = np.stack([np.interp(x, knots, each) for each in np.eye(len(knots))], axis=1)
    return Geometry(x, lines, _column_space(hats - lines @ (lines.T @ hats)))


def _knots(amounts: Floats) -> Floats:
    """The ends and evenly ranked ones between them, of distinct rising `amounts`."""
    n_knots = min(len(amounts), MOST_KNOTS)
    return amounts[np.linspace(0, len(amounts) - 1, n_knots).round().astype(np.intp)]


def _column_space(matrix: Floats) -> Floats:
    """Orthonormal columns that span those of `matrix`."""
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    space: Floats = left[:, singular > VANISHED * max(1.0, singular[0])]
    return space
