"""A curve: the fit of one group, what looks odd about it, and both as machines read them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from analysis.fitting import Fit, Runs, fit
from analysis.laws import AnyLaw
from analysis.least_squares import Estimate
from analysis.metric import Metric
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
        return found
    return {**found, "intervals": fitted.intervals, "search": asdict(fitted.search)}


def estimate_json(estimate: Estimate) -> dict[str, float | None]:
    """An estimate with the ends of its 95 % interval."""
    return {"estimate": estimate.estimate, "low": estimate.low, "high": estimate.high}
