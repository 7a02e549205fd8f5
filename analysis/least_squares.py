"""Least squares, and how sure it is: scatter of single runs, and scatter of whole chains."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.laws import Floats

CONFIDENCE = 0.95
# With two chains t has one degree of freedom (12.7 standard errors): it says nothing, so it is not used.
FEWEST_CHAINS = 3
# An eigenvalue of 1 means that one chain alone decides a direction; rounding leaves it this far off.
SINGULAR = 1e-10
# Below this share of the range of the values, scatter is what arithmetic leaves.
EXACT = 1e-9
# And below this share of the largest value, however narrow the range is: equal values have none.
ROUNDING = 1e-14


class Level(StrEnum):
    """Which scatter an interval was computed from."""

    RUN = "run-level"
    CHAIN = "chain-level"


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; None where the data do not give one.

    The interval is Student's t with this standard error and these degrees of freedom where they are not None.
    """

    estimate: float | None
    low: float | None
    high: float | None
    level: Level | None
    standard_error: float | None = None
    degrees_of_freedom: float | None = None

    @property
    def width(self) -> float:
        """High minus low; infinite where there is no interval."""
        return np.inf if self.low is None or self.high is None else self.high - self.low

    @property
    def p(self) -> float | None:
        """Two-sided p of the t test against 0; None where the interval is no t interval."""
        if self.estimate is None or self.standard_error is None or self.degrees_of_freedom is None:
            return None
        if self.standard_error == 0:
            return float(self.estimate == 0)
        t = abs(self.estimate) / self.standard_error
        return float(2 * special.stdtr(self.degrees_of_freedom, -t))


def estimate_json(estimate: Estimate) -> dict[str, float | None]:
    """An estimate with the ends of its 95 % interval, for machines."""
    return {"estimate": estimate.estimate, "low": estimate.low, "high": estimate.high}


UNKNOWN = Estimate(None, None, None, None)


@dataclass(frozen=True)
class Solution:
    """A least-squares fit in an orthonormal basis Q = X @ root of its design X.

    `scores` are Q_j' e_j and `shares` Q_j' Q_j of each chain j; they are None without chains.
    """

    parameters: Floats  # (p,)
    fitted: Floats  # (n,)
    residuals: Floats  # (n,)
    leverages: Floats  # (n,)
    root: Floats  # (p, p)
    degrees_of_freedom: int
    scores: Floats | None  # (m, p)
    shares: Floats | None  # (m, p, p)

    @property
    def residual_sum(self) -> float:
        """Sum of squared residuals."""
        return float(self.residuals @ self.residuals)

    @property
    def residual_sd(self) -> float | None:
        """Root of the residual sum over its degrees of freedom, None without any."""
        return np.sqrt(self.residual_sum / self.degrees_of_freedom) if self.degrees_of_freedom > 0 else None

    def estimates(self, contrasts: Floats) -> list[Estimate]:
        """One estimate for each row of `contrasts` (q, p) with its headline interval.

        The headline is the chain-level interval, which holds whether or not runs of a chain share luck, and
        the run-level one where chains are too few to tell (`docs/statistics.md`).
        """
        levels = self.levels(contrasts)
        return [
            runs if chains.low is None else chains
            for runs, chains in zip(levels[Level.RUN], levels[Level.CHAIN], strict=True)
        ]

    def levels(self, contrasts: Floats) -> dict[Level, list[Estimate]]:
        """Both intervals for each row of `contrasts` (q, p); without ends where a level has none."""
        values = contrasts @ self.parameters
        errors, freedom = self.run_errors(contrasts), np.full(len(values), float(self.degrees_of_freedom))
        scatter = self.chain_scatter(contrasts)
        found = {Level.RUN: _intervals(values, errors, freedom, Level.RUN)}
        if scatter is None:
            scatter = ChainScatter(np.full((len(values), 1), np.nan), np.full(len(values), np.nan))
        found[Level.CHAIN] = _intervals(values, scatter.errors, scatter.degrees_of_freedom, Level.CHAIN)
        return found

    def run_errors(self, contrasts: Floats) -> Floats:
        """Standard errors over independent runs, df = n - p; nan without df."""
        if self.degrees_of_freedom <= 0:
            return np.full(len(contrasts), np.nan)
        lengths = np.sqrt(((contrasts @ self.root) ** 2).sum(axis=1))
        errors: Floats = lengths * np.sqrt(self.residual_sum / self.degrees_of_freedom)
        return errors

    def chain_scatter(self, contrasts: Floats) -> "ChainScatter | None":
        """How the chains pull at each contrast; None under three chains, or where each is a single run.

        Where every chain has the same amounts this gives the t interval of the per-chain estimates with m - 1
        degrees of freedom. Where cells are missing it is its generalisation: the CR2 variance with the
        degrees of freedom of Bell and McCaffrey (2002), as in Pustejovsky and Tipton (2018),
        doi:10.1080/07350015.2016.1247004.
        """
        if self.scores is None or self.shares is None or len(self.scores) < FEWEST_CHAINS:
            return None
        if len(self.scores) == len(self.residuals):
            return None
        directions = contrasts @ self.root  # (q, p)
        pulls, freedom = _pulls(self.shares.tobytes(), self.shares.shape, directions.tobytes())
        return ChainScatter(np.einsum("qmr,mr->qm", pulls, self.scores), freedom)


@dataclass(frozen=True)
class ChainScatter:
    """Each chain's corrected pull at each contrast: variances and covariances are sums of their products."""

    spread: Floats  # (q, m)
    degrees_of_freedom: Floats  # (q,)

    @property
    def errors(self) -> Floats:
        """(q,): the standard error of each contrast."""
        errors: Floats = np.sqrt((self.spread**2).sum(axis=1))
        return errors


def solve(design: Floats, values: Floats, chains: NDArray[np.intp] | None) -> Solution:
    """Ordinary least squares of `values` (n,) on `design` (n, p), which must have rank p.

    `chains` (n,) numbers the chain of each row from 0; None where chains are unknown.
    """
    n, p = design.shape
    known = None if chains is None else chains.astype(np.intp).tobytes()
    basis, root, leverages, shares = _prepared(design.astype(np.float64).tobytes(), (n, p), known)
    coordinates = basis.T @ values
    fitted = basis @ coordinates
    residuals = values - fitted
    scores = None
    if chains is not None and shares is not None:
        scores = np.zeros(shares.shape[:2])
        np.add.at(scores, chains, basis * residuals[:, None])
    return Solution(
        parameters=root @ coordinates,
        fitted=fitted,
        residuals=residuals,
        leverages=leverages,
        root=root,
        degrees_of_freedom=n - p,
        scores=scores,
        shares=shares,
    )


def negligible(sum_of_squares: float, values: Floats) -> bool:
    """Whether a sum of squares over `values` is no more than rounding."""
    rounding = EXACT * float(np.ptp(values)) + ROUNDING * float(np.abs(values).max())
    return sum_of_squares <= len(values) * rounding**2


@lru_cache(maxsize=4096)
def t_quantile(degrees_of_freedom: float, confidence: float = CONFIDENCE) -> float:
    """The two-sided quantile of Student's t; nan where there are no degrees of freedom."""
    return float(special.stdtrit(degrees_of_freedom, (1 + confidence) / 2))


@lru_cache(maxsize=512)
def _prepared(
    design_bytes: bytes, shape: tuple[int, int], chain_bytes: bytes | None
) -> tuple[Floats, Floats, Floats, Floats | None]:
    """Basis, root, leverages and shares: groups of one design have them in common."""
    basis, upper = np.linalg.qr(np.frombuffer(design_bytes).reshape(shape))
    shares = None
    if chain_bytes is not None:
        chains = np.frombuffer(chain_bytes, dtype=np.intp)
        shares = np.zeros((int(chains.max()) + 1, shape[1], shape[1]))
        np.add.at(shares, chains, basis[:, :, None] * basis[:, None, :])
    return basis, np.linalg.inv(upper), (basis**2).sum(axis=1), shares


@lru_cache(maxsize=2048)
def _pulls(share_bytes: bytes, shape: tuple[int, int, int], direction_bytes: bytes) -> tuple[Floats, Floats]:
    """What the scores of chains are multiplied with (q, m, p), and degrees of freedom (q,), by direction."""
    shares = np.frombuffer(share_bytes).reshape(shape)
    directions = np.frombuffer(direction_bytes).reshape(-1, shape[1])
    adjusted, inverse = _corrections(shares)
    weights = np.einsum("mpr,mrs,qs->qmp", adjusted, shares, directions)
    own = np.einsum("qp,mpr,mrs,qs->qm", directions, inverse, shares, directions)
    products = -np.einsum("qmp,qlp->qml", weights, weights)
    diagonal = np.arange(shape[0])
    products[:, diagonal, diagonal] += own
    trace = products[:, diagonal, diagonal].sum(axis=1)
    square = (products**2).sum(axis=(1, 2))
    freedom = np.divide(trace**2, square, out=np.full_like(trace, np.nan), where=square > 0)
    return np.einsum("qp,mpr->qmr", directions, adjusted), np.round(freedom, 9)


def _corrections(shares: Floats) -> tuple[Floats, Floats]:
    """(I - Q_j'Q_j)^(-1/2) and its square for each chain; directions that one chain decides are dropped."""
    eigenvalues, vectors = np.linalg.eigh(np.eye(shares.shape[1]) - shares)
    safe = np.where(eigenvalues > SINGULAR, eigenvalues, np.inf)
    transposed = vectors.transpose(0, 2, 1)
    return (vectors / np.sqrt(safe)[:, None, :]) @ transposed, (vectors / safe[:, None, :]) @ transposed


def _intervals(values: Floats, errors: Floats, freedom: Floats, level: Level) -> list[Estimate]:
    """t intervals; without ends where error or degrees of freedom are nan."""
    rows = zip(values.tolist(), errors.tolist(), freedom.tolist(), strict=True)
    return [t_interval(*row, level) for row in rows]


def t_interval(value: float, error: float, freedom: float, level: Level) -> Estimate:
    """Student's t interval; without ends where error or degrees of freedom are nan."""
    margin = t_quantile(freedom) * error
    if np.isnan(margin):
        return Estimate(value, None, None, None)
    return Estimate(value, value - margin, value + margin, level, error, freedom)
