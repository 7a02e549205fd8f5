"""A curve: the fit of one group, what looks odd about it, and both as machines read them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analysis.binomial import cross_checks, cross_checks_json
from analysis.fitting import Fit, Runs, fit
from analysis.laws import AnyLaw
from analysis.least_squares import estimate_json
from analysis.metric import ACCURACY, Metric
from analysis.suspicions import suspicions


@dataclass(frozen=True)
class Curve:
    """One group's fit. `odd` are the places of suspicious runs in `fit.runs`."""

    group: dict[str, Any]
    metric: Metric
    fit: Fit
    warnings: tuple[str, ...]
    odd: tuple[int, ...]


def curve(group: dict[str, Any], runs: Runs, law: AnyLaw, metric: Metric, notes: Iterable[str] = ()) -> Curve:
    """Fit `law` and look for suspicious runs; `notes` are warnings known before."""
    return as_curve(group, fit(law, runs, metric), metric, notes)


def as_curve(group: dict[str, Any], fitted: Fit, metric: Metric, notes: Iterable[str] = ()) -> Curve:
    """A fit with what is suspicious about its runs."""
    suspicious = suspicions(fitted, metric)
    return Curve(group, metric, fitted, (*notes, *suspicious.warnings), suspicious.runs)


def as_json(curve: Curve) -> dict[str, Any]:
    """One entry of `fits`, numbers in the metric's unit; what could not be estimated is null."""
    fitted = curve.fit
    found = {
        "group": curve.group,
        "law": fitted.law.id,
        "status": fitted.status.value,
        "n_points": len(fitted.runs.values),
        "n_amounts": fitted.n_amounts,
        "n_seeds": fitted.runs.n_seeds,
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
