"""A curve: the fit of one group, what looks odd about it, and both as machines read them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from analysis.binomial import cross_checks, cross_checks_json
from analysis.fitting import Fit, Runs, fit
from analysis.laws import AnyLaw
from analysis.least_squares import EXACT, estimate_json
from analysis.metric import ACCURACY, Metric
from analysis.suspicions import suspicions


@dataclass(frozen=True)
class Curve:
    """One group's fit. `odd` are the places of suspicious runs in `fit.runs`.

    `runs` are all that were looked at, also those before the amounts that the fit is about.
    """

    group: dict[str, Any]
    metric: Metric
    fit: Fit
    warnings: tuple[str, ...]
    odd: tuple[int, ...]
    runs: Runs

    @property
    def n_amounts(self) -> int:
        """Distinct amounts of all the runs."""
        return len(np.unique(self.runs.amounts))


def curve(group: dict[str, Any], runs: Runs, law: AnyLaw, metric: Metric, notes: Iterable[str] = ()) -> Curve:
    """Fit `law` and look for suspicious runs; `notes` are warnings known before."""
    return as_curve(group, fit(law, runs, metric), metric, notes)


def as_curve(
    group: dict[str, Any], fitted: Fit, metric: Metric, notes: Iterable[str] = (), runs: Runs | None = None
) -> Curve:
    """A fit with what is suspicious about its runs, or about all `runs`, in canonical order."""
    before = 0 if runs is None else len(runs.values) - len(fitted.runs.values)
    looked_at = fitted if runs is None or not before else _widened(fitted, runs, before)
    suspicious = suspicions(looked_at, metric)
    odd = tuple(place - before for place in suspicious.runs if place >= before)
    return Curve(group, metric, fitted, (*notes, *suspicious.warnings), odd, looked_at.runs)


def _widened(fitted: Fit, runs: Runs, before: int) -> Fit:
    """A fit to the last runs, and its mean to each amount before; no solution without degrees of freedom."""
    amounts, places, counts = np.unique(runs.amounts[:before], return_inverse=True, return_counts=True)
    wide = replace(fitted, runs=runs, n_amounts=len(amounts) + fitted.n_amounts)
    late = fitted.solution
    if late is None or late.degrees_of_freedom + before - len(amounts) <= 0:
        return replace(wide, solution=None)
    leverages = np.concatenate([1 / counts[places], late.leverages])
    early = (np.bincount(places, runs.values[:before]) / counts)[places]
    solution = replace(
        late,
        fitted=np.concatenate([early, late.fitted]),
        residuals=np.concatenate([runs.values[:before] - early, late.residuals]),
        # A run that alone decides its value lies on it: there is nothing to be far from.
        leverages=np.where(leverages > 1 - EXACT, 0.0, leverages),
        degrees_of_freedom=late.degrees_of_freedom + before - len(amounts),
    )
    return replace(wide, solution=solution)


def as_json(curve: Curve) -> dict[str, Any]:
    """One entry of `fits`, numbers in the metric's unit; what could not be estimated is null."""
    fitted = curve.fit
    found = {
        "group": curve.group,
        "law": fitted.law.id,
        "status": fitted.status.value,
        "n_points": len(curve.runs.values),
        "n_amounts": curve.n_amounts,
        "n_seeds": curve.runs.n_seeds,
        "parameters": {name: estimate_json(estimate) for name, estimate in fitted.parameters.items()},
        "r_squared": fitted.r_squared,
        "residual_sd": fitted.residual_sd,
        "warnings": list(curve.warnings),
    }
    if fitted.search is None:
        return {**found, **_of_a_line(curve)}
    return {**found, "intervals": fitted.intervals, "search": asdict(fitted.search)}


def _of_a_line(curve: Curve) -> dict[str, Any]:
    """Both intervals of each parameter, over runs and over chains (null: there is none), and cross-checks."""
    fitted = curve.fit
    if fitted.solution is None:
        return {}
    levels = fitted.solution.levels(np.eye(len(fitted.parameters)))
    ends = {
        name: {level: [found[place].low, found[place].high] for level, found in levels.items()}
        for place, name in enumerate(fitted.parameters)
    }
    checks = cross_checks(fitted.runs) if curve.metric is ACCURACY else None
    return {"levels": ends} | ({} if checks is None else {"cross_checks": cross_checks_json(checks)})
