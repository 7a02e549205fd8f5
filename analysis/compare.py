"""Comparisons: two strategies at equal amounts, and one strategy in and out of its domain."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.fitting import SUBSET_LUCK, Fit, Runs, fit
from analysis.laws import LOGLINEAR, Floats
from analysis.least_squares import FEWEST_CHAINS, UNKNOWN, Estimate, Level, Solution, solve, t_quantile
from analysis.metric import Metric
from analysis.table import measured

CHAIN = ["subset_seed", "train_seed"]
SLOPE = np.array([[0.0, 1.0]])  # the contrast that picks `per_doubling` of the log-linear law


@dataclass(frozen=True)
class Comparison:
    """First minus second strategy, paired by chain and amount, in the unit of the metric."""

    group: dict[str, Any]
    first: str
    second: str
    amounts: tuple[int, ...]  # those that both have
    n_chains: int
    average: Estimate  # over these amounts
    at_largest: Estimate
    per_doubling: Estimate
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Transfer:
    """One strategy's slope out of domain against its slope in domain, from the cells that have both."""

    group: dict[str, Any]
    in_domain: str
    out_of_domain: str
    inside: Estimate
    outside: Estimate
    ratio: Estimate  # without an interval where none is bounded
    notes: tuple[str, ...]


def compare(group: dict[str, Any], first: pd.DataFrame, second: pd.DataFrame, metric: Metric) -> Comparison:
    """Set two strategies against each other at equal amounts, chain by chain.

    The differences are fitted with the log-linear law: its slope is the difference of slopes, its value at
    the mean of log2(amount) the average difference, each with its 95 % interval (`docs/statistics.md`);
    pairing removes what both strategies share in a subset.
    """
    pairs = _pairs(first, second, metric)
    names = {"first": str(first["strategy"].iloc[0]), "second": str(second["strategy"].iloc[0])}
    if pairs.empty:
        nothing = "no amount and seed in common: nothing can be paired"
        return Comparison(
            group,
            **names,
            amounts=(),
            n_chains=0,
            average=UNKNOWN,
            at_largest=UNKNOWN,
            per_doubling=UNKNOWN,
            notes=(nothing,),
        )
    runs = _difference_runs(pairs)
    fitted = fit(LOGLINEAR, runs)
    largest = runs.values[runs.amounts == runs.amounts.max()]
    return Comparison(
        group,
        **names,
        amounts=tuple(sorted({int(amount) for amount in runs.amounts})),
        n_chains=runs.n_seeds,
        average=_average(fitted),
        at_largest=solve(np.ones((len(largest), 1)), largest, None).estimates(np.ones((1, 1)))[0],
        per_doubling=fitted.parameters["per_doubling"],
        notes=_notes(runs.n_seeds),
    )


def transfer(group: dict[str, Any], inside: pd.DataFrame, outside: pd.DataFrame, metric: Metric) -> Transfer:
    """Slope out of domain over slope in domain, with Fieller's interval (`docs/statistics.md`)."""
    names = {
        "in_domain": str(inside["benchmark"].iloc[0]),
        "out_of_domain": str(outside["benchmark"].iloc[0]),
    }
    pairs = _pairs(inside, outside, metric)
    if pairs["amount"].nunique() < len(LOGLINEAR.parameters):
        few = "fewer than two amounts have both benchmarks"
        return Transfer(group, **names, inside=UNKNOWN, outside=UNKNOWN, ratio=UNKNOWN, notes=(few,))
    runs = _difference_runs(pairs)
    design = LOGLINEAR.design(runs.amounts)
    within = solve(design, pairs["value_first"].to_numpy(), runs.chains)
    beyond = solve(design, pairs["value_second"].to_numpy(), runs.chains)
    ratio = _ratio(beyond, within)
    notes = _notes(runs.n_seeds)
    if ratio.low is None:
        notes = (*notes, "ratio not identified: the slope in domain may be zero")
    return Transfer(
        group,
        **names,
        inside=within.estimates(SLOPE)[0],
        outside=beyond.estimates(SLOPE)[0],
        ratio=ratio,
        notes=notes,
    )


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


def _pairs(first: pd.DataFrame, second: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Rows with `amount`, the chain, `value_first` and `value_second`."""
    keys = ["amount", *CHAIN]
    one, two = (rows[keys].assign(value=measured(rows, metric)).dropna() for rows in (first, second))
    return one.merge(two, on=keys, suffixes=("_first", "_second")).sort_values(keys, ignore_index=True)


def _difference_runs(pairs: pd.DataFrame) -> Runs:
    return Runs(
        amounts=pairs["amount"].to_numpy(dtype=np.float64),
        values=(pairs["value_first"] - pairs["value_second"]).to_numpy(dtype=np.float64),
        chains=pairs.groupby(CHAIN, sort=True).ngroup().to_numpy().astype(np.intp),
        labels=[""] * len(pairs),
    )


def _average(fitted: Fit) -> Estimate:
    """The mean difference: the fit passes through the mean of its points."""
    if fitted.solution is None:
        values = fitted.runs.values
        return solve(np.ones((len(values), 1)), values, None).estimates(np.ones((1, 1)))[0]
    middle = LOGLINEAR.design(fitted.runs.amounts).mean(axis=0, keepdims=True)
    return fitted.solution.estimates(middle)[0]


def _ratio(numerator: Solution, denominator: Solution) -> Estimate:
    """Fieller's interval from the scatter of chains, or of runs where chains are too few."""
    N, D = (float(one.parameters[1]) for one in (numerator, denominator))
    if D == 0:
        return UNKNOWN
    chains, runs = _chain_level(numerator, denominator), _run_level(numerator, denominator)
    known, level = (chains, Level.CHAIN) if chains else (runs, Level.RUN)
    if known is None:
        return Estimate(N / D, None, None, None)
    low, high = fieller(N, D, *known) or (None, None)
    return Estimate(N / D, low, high, level)


def _run_level(numerator: Solution, denominator: Solution) -> tuple[Floats, float] | None:
    if numerator.degrees_of_freedom <= 0:
        return None
    residuals = np.column_stack([numerator.residuals, denominator.residuals])
    scale = float(((SLOPE @ numerator.root) ** 2).sum()) / numerator.degrees_of_freedom
    return residuals.T @ residuals * scale, t_quantile(float(numerator.degrees_of_freedom))


def _chain_level(numerator: Solution, denominator: Solution) -> tuple[Floats, float] | None:
    pulls = [one.chain_scatter(SLOPE) for one in (numerator, denominator)]
    if pulls[0] is None or pulls[1] is None:
        return None
    spread = np.concatenate([pulls[0].spread, pulls[1].spread])
    return spread @ spread.T, t_quantile(float(pulls[0].degrees_of_freedom[0]))


def _notes(n_chains: int) -> tuple[str, ...]:
    return () if n_chains >= FEWEST_CHAINS else (f"{SUBSET_LUCK}: {n_chains} of the 3 chains it takes",)
