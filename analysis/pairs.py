"""Two curves brought together: run by run where they share amounts and chains, else side by side."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.laws import Floats
from analysis.least_squares import UNKNOWN, Estimate, Level, Solution, solve, t_quantile


@dataclass(frozen=True)
class Combination:
    """A linear function of the parameters of one solution: `contrast` (1, p)."""

    solution: Solution
    contrast: Floats

    @property
    def value(self) -> float:
        """Its estimate."""
        return float((self.contrast @ self.solution.parameters)[0])

    def estimate(self) -> Estimate:
        """Its estimate with the headline interval."""
        return self.solution.estimates(self.contrast)[0]


@dataclass(frozen=True)
class StraightLine:
    """A straight line within a solution: `parameters` (2, p) picks its intercept and its slope."""

    solution: Solution
    parameters: Floats

    def at(self, x: float) -> Combination:
        """Its value at log2 amount `x`."""
        return Combination(self.solution, np.array([[1.0, x]]) @ self.parameters)

    @property
    def slope(self) -> Combination:
        """What a doubling adds."""
        return Combination(self.solution, self.parameters[1:])


@dataclass(frozen=True)
class Pair:
    """Straight lines through two curves, and what differs between them.

    Paired, all solutions are over the runs they share, on one design. Otherwise they are one and the same,
    with an intercept and a slope for each curve.
    """

    paired: bool
    runs: pd.DataFrame  # paired: amount, chain, first, second; else: amount, chain, value, is_second
    n_chains: int
    first: StraightLine
    second: StraightLine
    difference: StraightLine
    common: StraightLine  # its slope is that of both, if they are parallel


def paired_runs(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The runs of both that share amount and chain: `amount`, `chain`, `first`, `second`.

    Both tables have columns `amount`, `chain` (a name, missing where unknown) and `value`.
    """
    one, two = (_by_run(rows) for rows in (first, second))
    rows = [(*run, one[run], two[run]) for run in sorted(one.keys() & two.keys())]
    return pd.DataFrame(rows, columns=["amount", "chain", "first", "second"])


def bring_together(both: pd.DataFrame, first: pd.DataFrame, second: pd.DataFrame) -> Pair | None:
    """The pair of two tables of runs with their `paired_runs`; None where a line takes more amounts."""
    if both["amount"].nunique() >= 2:
        return _paired(both)
    if both.empty and all(rows["amount"].nunique() >= 2 for rows in (first, second)):
        return _apart(first, second)
    return None


def ratio(top: Combination, bottom: Combination) -> Estimate:
    """Top over bottom with Fieller's 95 % interval; without ends where it is unbounded ("not identified").

    The scatter is that of chains, or of runs where chains are too few. Both lines must have one design.
    """
    if bottom.value == 0:
        return UNKNOWN
    chains, runs = _chain_covariance(top, bottom), _run_covariance(top, bottom)
    known, level = (chains, Level.CHAIN) if chains else (runs, Level.RUN)
    value = top.value / bottom.value
    if known is None:
        return Estimate(value, None, None, None)
    low, high = fieller(top.value, bottom.value, *known) or (None, None)
    return Estimate(value, low, high, level)


def fieller(numerator: float, denominator: float, covariance: Floats, t: float) -> tuple[float, float] | None:
    """The interval of numerator / denominator; None where it is unbounded ("not identified").

    `covariance` (2, 2) is that of (numerator, denominator), `t` the quantile. Fieller (1954), as in
    `docs/statistics.md`: (D^2 - t^2 v_D) r^2 - 2 (N D - t^2 c) r + (N^2 - t^2 v_N) <= 0.
    """
    a = denominator**2 - t**2 * covariance[1, 1]
    b = numerator * denominator - t**2 * covariance[0, 1]
    c = numerator**2 - t**2 * covariance[0, 0]
    if not a > 0:
        return None
    root = np.sqrt(max(b**2 - a * c, 0.0))
    return float((b - root) / a), float((b + root) / a)


def _by_run(rows: pd.DataFrame) -> dict[tuple[float, str], float]:
    """Values by amount and chain, those that have both."""
    columns = (rows[name].tolist() for name in ("amount", "chain", "value"))
    return {
        (amount, chain): value
        for amount, chain, value in zip(*columns, strict=True)
        if isinstance(chain, str) and value == value
    }


def _paired(both: pd.DataFrame) -> Pair:
    design = _line_design(both["amount"])
    chains = both.groupby("chain", sort=True).ngroup().to_numpy().astype(np.intp)
    first, second = (both[name].to_numpy(dtype=np.float64) for name in ("first", "second"))
    curves = (
        StraightLine(solve(design, values, chains), np.eye(2))
        for values in (first, second, first - second, (first + second) / 2)
    )
    return Pair(True, both, both["chain"].nunique(), *curves)


def _apart(first: pd.DataFrame, second: pd.DataFrame) -> Pair:
    runs = pd.concat([first.assign(is_second=0.0), second.assign(is_second=1.0)], ignore_index=True)
    line, is_second = _line_design(runs["amount"]), runs["is_second"].to_numpy()[:, None]
    design = np.hstack([line * (1 - is_second), line * is_second])
    known = bool(runs["chain"].notna().all())
    chains = runs.groupby(["is_second", "chain"]).ngroup().to_numpy().astype(np.intp) if known else None
    solution = solve(design, runs["value"].to_numpy(dtype=np.float64), chains)
    # One slope for both is the mean of theirs, weighted by what each says about it.
    spreads = [float(np.log2(rows["amount"]).var(ddof=0) * len(rows)) for rows in (first, second)]
    share = spreads[0] / sum(spreads)
    one, other = np.hstack([np.eye(2), np.zeros((2, 2))]), np.hstack([np.zeros((2, 2)), np.eye(2)])
    picks = (one, other, one - other, share * one + (1 - share) * other)
    n_chains = min(rows["chain"].nunique() for rows in (first, second)) if known else 0
    return Pair(False, runs, n_chains, *(StraightLine(solution, pick) for pick in picks))


def _line_design(amounts: "pd.Series[float]") -> Floats:
    x = np.log2(amounts.to_numpy(dtype=np.float64))
    return np.column_stack([np.ones_like(x), x])


def _run_covariance(top: Combination, bottom: Combination) -> tuple[Floats, float] | None:
    """Covariance of both over independent runs and the quantile."""
    freedom = top.solution.degrees_of_freedom
    if freedom <= 0:
        return None
    residuals = np.column_stack([top.solution.residuals, bottom.solution.residuals])
    directions = np.vstack([top.contrast @ top.solution.root, bottom.contrast @ bottom.solution.root])
    return (residuals.T @ residuals / freedom) * (directions @ directions.T), t_quantile(float(freedom))


def _chain_covariance(top: Combination, bottom: Combination) -> tuple[Floats, float] | None:
    """The same over chains."""
    pulls = [line.solution.chain_scatter(line.contrast) for line in (top, bottom)]
    known = [pull for pull in pulls if pull is not None]
    if len(known) < len(pulls):
        return None
    spread = np.concatenate([pull.spread for pull in known])
    freedom = min(float(pull.degrees_of_freedom[0]) for pull in known)
    return spread @ spread.T, t_quantile(freedom)
