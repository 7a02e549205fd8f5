"""What looks odd in the runs behind a fit. Odd runs stay in the fit; they are named."""

from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.fitting import SUBSET_LUCK, Fit
from analysis.laws import Floats
from analysis.least_squares import EXACT, negligible
from analysis.metric import ACCURACY, POINTS_PER_FRACTION, Metric
from analysis.numerals import amount_text, counted, p_value

# A run that answers nothing is odd once its neighbours answer this many points: below, nothing is common.
COLLAPSE_POINTS = 2.0
# Chance of naming any run of a group where nothing is wrong (Bonferroni over its runs).
OUTLIER_CHANCE = 0.05
LACK_OF_FIT_CHANCE = 0.05
# Scatter above binomial is said at this level: lower would name one group in twenty without cause.
SCATTER_CHANCE = 0.01


@dataclass(frozen=True)
class Suspicions:
    """Sentences for a reader, and the places (in `fit.runs`) of the runs they name."""

    warnings: tuple[str, ...]
    runs: tuple[int, ...]


def suspicions(fit: Fit, metric: Metric) -> Suspicions:
    """All that looks odd about a fit, in the order in which a reader should worry."""
    collapsed = _collapsed(fit) if metric is ACCURACY else []
    outliers = [run for run in _outliers(fit) if run not in collapsed]
    warnings = [
        *_design_warnings(fit),
        *(_collapse_sentence(fit, run) for run in collapsed),
        *(_outlier_sentence(fit, run, metric) for run in outliers),
        *_misfit_warnings(fit),
        *(_scatter_warnings(fit) if metric is ACCURACY else []),
    ]
    return Suspicions(tuple(warnings), tuple(sorted({*collapsed, *outliers})))


def _design_warnings(fit: Fit) -> list[str]:
    """What the choice of runs leaves open."""
    warnings = []
    _, counts = np.unique(fit.runs.amounts, return_counts=True)
    if len(counts) < fit.law.fewest_amounts:
        found = "all runs have one amount" if len(counts) == 1 else f"the runs have {len(counts)} amounts"
        warnings.append(f"{found}: {fit.law.id} needs at least {fit.law.fewest_amounts}")
    elif fit.solution is not None and fit.solution.degrees_of_freedom <= 0:
        warnings.append(
            f"{counted(len(fit.runs.values), 'run')} for {counted(fit.law.n_free, 'parameter')}: no interval"
        )
    if not fit.includes_subset_luck:
        unknown = fit.runs.chains is None
        why = "chains are unknown" if unknown else f"{fit.runs.n_seeds} of the 3 chains it takes"
        warnings.append(f"{SUBSET_LUCK}: {why}")
    if counts.max() == 1:
        warnings.append("a single run per amount: scatter and misfit cannot be told apart")
    return [*warnings, *_unequal_chains(fit)]


def _unequal_chains(fit: Fit) -> list[str]:
    """Chains that lack amounts which others have."""
    if fit.runs.chains is None or fit.runs.n_seeds == len(fit.runs.values):
        return []
    sizes = np.bincount(fit.runs.chains)
    sizes = sizes[sizes > 0]
    if sizes.min() == sizes.max() == fit.n_amounts:
        return []
    short = int((sizes < fit.n_amounts).sum())
    return [f"unequal chains: {short} of {len(sizes)} lack some of the {fit.n_amounts} amounts"]


def _collapsed(fit: Fit) -> list[int]:
    """Runs with accuracy 0 next to runs (same amount, or the next smaller and larger) that are well above."""
    amounts, values = fit.runs.amounts, fit.runs.values
    zeros = np.flatnonzero(values == 0)
    found = []
    for run in zeros.tolist():
        others = values > 0
        same = others & (amounts == amounts[run])
        near = same if same.any() else others & np.isin(amounts, _neighbours(amounts, amounts[run]))
        if near.any() and values[near].mean() >= COLLAPSE_POINTS:
            found.append(run)
    return found


def _neighbours(amounts: Floats, amount: float) -> list[float]:
    below, above = amounts[amounts < amount], amounts[amounts > amount]
    return [*([below.max()] if len(below) else []), *([above.min()] if len(above) else [])]


def _outliers(fit: Fit) -> list[int]:
    """Runs whose externally studentised residual is too large for chance (Cook and Weisberg 1982, 2.2.2)."""
    if fit.solution is None or fit.solution.degrees_of_freedom < 2:
        return []
    solution, n = fit.solution, len(fit.runs.values)
    freedom = solution.degrees_of_freedom - 1
    free = solution.residual_sum * (1 - solution.leverages) - solution.residuals**2
    if negligible(solution.residual_sum, fit.runs.values):
        return []
    reachable = free > EXACT * solution.residual_sum
    squared = np.divide(solution.residuals**2 * freedom, free, out=np.full(n, np.inf), where=reachable)
    chances = special.fdtrc(1, freedom, squared)
    return np.flatnonzero(chances < OUTLIER_CHANCE / n).tolist()


def _collapse_sentence(fit: Fit, run: int) -> str:
    amount = amount_text(fit.runs.amounts[run])
    return f"collapsed to 0.0 at amount {amount} while its neighbours did not: {fit.runs.labels[run]}"


def _outlier_sentence(fit: Fit, run: int, metric: Metric) -> str:
    assert fit.solution is not None
    residual, amount = fit.solution.residuals[run], amount_text(fit.runs.amounts[run])
    return (
        f"far from the line at amount {amount}, by {residual:+.{metric.decimals}f} {metric.unit}:"
        f" {fit.runs.labels[run]}"
    )


def _misfit_warnings(fit: Fit) -> list[str]:
    """Where the law does not describe the means, or describes them suspiciously well."""
    warnings = []
    test = fit.lack_of_fit
    if test is not None and test.p < LACK_OF_FIT_CHANCE:
        warnings.append(
            "lack of fit: the means depart from the law by more than the runs scatter"
            f" (F({test.df_between}, {test.df_within}) = {test.F:.1f}, p {p_value(test.p)})"
        )
    if fit.solution is None or fit.solution.degrees_of_freedom <= 0:
        return warnings
    if np.ptp(fit.runs.values) == 0:
        return [*warnings, "all values are equal: no R squared, and an interval without width"]
    if negligible(fit.solution.residual_sum, fit.runs.values):
        warnings.append("the runs lie exactly on the law: the interval has no width")
    return warnings


def _scatter_warnings(fit: Fit) -> list[str]:
    """Whether the runs scatter about the fit by more than a draw of that many items would."""
    if fit.solution is None or fit.solution.degrees_of_freedom <= 0 or fit.runs.n_items is None:
        return []
    shares = np.clip(fit.solution.fitted / POINTS_PER_FRACTION, 0, 1)
    variance = float((shares * (1 - shares) / fit.runs.n_items).mean()) * POINTS_PER_FRACTION**2
    if variance == 0:
        return []
    freedom = fit.solution.degrees_of_freedom
    if special.chdtrc(freedom, fit.solution.residual_sum / variance) >= SCATTER_CHANCE:
        return []
    observed, binomial = np.sqrt(fit.solution.residual_sum / freedom), np.sqrt(variance)
    return [
        f"residual sd {observed:.2f} points is {observed / binomial:.1f} times what the number of items"
        f" explains ({binomial:.2f}): runs differ by more than luck with items, or the law does not fit"
    ]
