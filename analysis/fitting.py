"""One fit: a law through the runs of one group, with intervals, how it ended and what looks odd."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.laws import AnyLaw, CurvedLaw, Floats, Law
from analysis.least_squares import FEWEST_CHAINS, UNKNOWN, Estimate, Solution, negligible, solve
from analysis.metric import Metric
from analysis.projection import Optima
from analysis.searched import Search, Searched, search

SUBSET_LUCK = "subset luck not included"


class Status(StrEnum):
    """How a fit ended."""

    CONVERGED = "converged"
    NO_INTERVAL = "no interval: as many parameters as runs"
    AT_BOUND = "a parameter at its bound"
    STARTS_DISAGREE = "starts disagree"
    TOO_FEW_AMOUNTS = "too few amounts"


@dataclass(frozen=True)
class Runs:
    """The runs of one group. Values are in the unit in which the fit shall speak (points, nats per token)."""

    amounts: Floats
    values: Floats
    chains: NDArray[np.intp] | None  # number of the chain of each run, from 0; None: unknown
    labels: Sequence[str]  # names each run to a reader
    n_items: Floats | None = None  # test items behind each accuracy; None: not known, or no accuracy

    def take(self, places: NDArray[np.intp]) -> "Runs":
        """Some of the runs, in this order; their chains numbered anew."""
        chains = None if self.chains is None else np.unique(self.chains[places], return_inverse=True)[1]
        return Runs(
            self.amounts[places],
            self.values[places],
            chains,
            [self.labels[place] for place in places],
            None if self.n_items is None else self.n_items[places],
        )

    @property
    def n_seeds(self) -> int:
        """Number of chains; where chains are unknown, the most runs at one amount."""
        if self.chains is not None:
            return len(np.unique(self.chains))
        return int(np.unique(self.amounts, return_counts=True)[1].max())


@dataclass(frozen=True)
class LackOfFit:
    """F test of the means per amount against the scatter within amounts (Draper and Smith 1998, 2.1)."""

    F: float
    df_between: int
    df_within: int
    p: float


@dataclass(frozen=True)
class Fit:
    """What a fit found, by the law's names; what the status forbids is UNKNOWN or None."""

    law: AnyLaw
    status: Status
    runs: Runs
    n_amounts: int
    parameters: dict[str, Estimate]
    r_squared: float | None
    lack_of_fit: LackOfFit | None
    solution: Solution | None  # of a curved law: residuals and leverages, in the unit of the values
    searched: Searched | None = None  # curved laws only
    intervals: Literal["t", "profile", "bootstrap"] = "t"  # of the parameters

    @property
    def residual_sd(self) -> float | None:
        """Scatter of the runs about the fit, in the unit of the values."""
        return None if self.solution is None else self.solution.residual_sd

    @property
    def includes_subset_luck(self) -> bool:
        """Whether there were chains enough for their scatter to enter the intervals."""
        return self.runs.chains is not None and self.runs.n_seeds >= FEWEST_CHAINS

    def at(self, amounts: Floats) -> list[Estimate]:
        """The mean value at each amount with its 95 % interval; unknown where nothing was fitted."""
        if self.searched is not None:
            return self.searched.at(amounts)
        if self.solution is None or isinstance(self.law, CurvedLaw):
            return [UNKNOWN for _ in amounts]
        return self.solution.estimates(self.law.design(amounts))

    @property
    def search(self) -> Search | None:
        """How the search for a curved law ended; lines are solved for, not searched."""
        return None if self.searched is None else self.searched.search


def fit(law: AnyLaw, runs: Runs, metric: Metric | None = None, found: Optima | None = None) -> Fit:
    """Fit `law` to `runs` by least squares: every run counts once.

    A curved law needs the metric, whose range bounds it; what a search for it `found` before is taken as it
    is. Raises nothing for data that cannot carry the law:
    the status says so. All numbers must be finite, amounts positive (0 where the law admits it), and values
    positive where a curved law meets a loss, which the readers of tables see to.
    """
    runs = _last(law, ordered(runs))
    groups = np.unique(runs.amounts, return_inverse=True)[1]
    n_amounts = int(groups[-1]) + 1
    if n_amounts < law.fewest_amounts:
        unknown = {parameter.name: UNKNOWN for parameter in law.parameters}
        return Fit(law, Status.TOO_FEW_AMOUNTS, runs, n_amounts, unknown, None, None, None)
    if isinstance(law, CurvedLaw):
        assert metric is not None, "a curved law lies within the range of a metric"
        return _fit_curved(law, runs, metric, found)
    return _fit_line(law, runs, groups)


def _fit_line(law: Law, runs: Runs, groups: NDArray[np.intp]) -> Fit:
    solution = solve(law.design(runs.amounts), runs.values, runs.chains)
    estimates = solution.estimates(np.eye(len(law.parameters)))
    return Fit(
        law=law,
        status=Status.CONVERGED if solution.degrees_of_freedom > 0 else Status.NO_INTERVAL,
        runs=runs,
        n_amounts=int(groups[-1]) + 1,
        parameters={
            parameter.name: estimate for parameter, estimate in zip(law.parameters, estimates, strict=True)
        },
        r_squared=_r_squared(runs.values, solution),
        lack_of_fit=_lack_of_fit(groups, runs.values, solution),
        solution=solution,
    )


def _fit_curved(law: CurvedLaw, runs: Runs, metric: Metric, found: Optima | None) -> Fit:
    searched = search(law, metric, runs.amounts, runs.values, runs.chains, found)
    groups = np.unique(runs.amounts, return_inverse=True)[1]
    solution = _as_solution(searched, runs)
    return Fit(
        law=law,
        status=_curved_status(searched),
        runs=runs,
        n_amounts=int(groups[-1]) + 1,
        parameters=searched.parameters(),
        r_squared=_r_squared(runs.values, solution),
        lack_of_fit=_lack_of_fit(groups, runs.values, solution),
        solution=solution,
        searched=searched,
        intervals="profile",
    )


def _curved_status(searched: Searched) -> Status:
    """The first thing that a reader has to know."""
    if searched.search.agreeing < 2:
        return Status.STARTS_DISAGREE
    if searched.search.at_bound:
        return Status.AT_BOUND
    return Status.CONVERGED if searched.degrees_of_freedom > 0 else Status.NO_INTERVAL


def _as_solution(searched: Searched, runs: Runs) -> Solution:
    """Residuals in the unit of the values; leverages of the law as it looks at its optimum."""
    fitted = searched.values(runs.amounts)
    line = searched.linearised
    parameters = np.concatenate([searched.linear, searched.coordinates])
    return Solution(
        parameters=parameters,
        fitted=fitted,
        residuals=runs.values - fitted,
        leverages=np.zeros_like(fitted) if line is None else line.leverages,
        root=np.eye(len(parameters)),
        degrees_of_freedom=searched.degrees_of_freedom,
        scores=None,
        shares=None,
    )


def ordered(runs: Runs) -> Runs:
    """One order for one set of runs, so that shuffled rows give the same result bit for bit."""
    chains = np.zeros(len(runs.values)) if runs.chains is None else runs.chains
    return runs.take(np.lexsort((runs.values, chains, runs.amounts)))


def _last(law: AnyLaw, runs: Runs) -> Runs:
    """The runs that the law looks at."""
    if isinstance(law, CurvedLaw) or law.last_amounts is None:
        return runs
    smallest = np.unique(runs.amounts)[-law.last_amounts :][0]
    return runs.take(np.flatnonzero(runs.amounts >= smallest))


def _r_squared(values: Floats, solution: Solution) -> float | None:
    """Share of the variance about the mean that the fit explains; None where all values are equal."""
    about_mean = values - values.mean()
    total = float(about_mean @ about_mean)
    return 1 - solution.residual_sum / total if np.ptp(values) > 0 else None


def _lack_of_fit(groups: NDArray[np.intp], values: Floats, solution: Solution) -> LackOfFit | None:
    """The test; None without replicates, without an amount to spare, or where replicates are identical."""
    counts = np.bincount(groups)
    df_between = len(counts) - len(solution.parameters)
    df_within = len(values) - len(counts)
    if df_between < 1 or df_within < 1:
        return None
    means = np.bincount(groups, values) / counts
    deviations = values - means[groups]
    within = float(deviations @ deviations)
    if negligible(within, values):
        return None
    between = solution.residual_sum - within
    F = max(between, 0.0) / df_between / (within / df_within)
    return LackOfFit(F, df_between, df_within, float(special.fdtrc(df_between, df_within, F)))
