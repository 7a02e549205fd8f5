"""A curved law through runs: parameters, intervals, how the search ended."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.averages import Averages, averages
from analysis.laws import CurvedLaw, Floats
from analysis.least_squares import Estimate, Level, Solution, solve, t_quantile
from analysis.metric import Metric
from analysis.profile import Centre, Profile, profile
from analysis.projection import Optima, curvature_at, fitted_at, gradients_at, optimise
from analysis.weighted import Bounds

# Coordinates move this much for a derivative.
STEP = 1e-6
# Derivatives whose smallest singular value is a smaller share of the largest do not tell parameters apart.
APART = 1e-7


@dataclass(frozen=True)
class Search:
    """How a search ended; `objective` and `gradient` are per sum of squares of the values about the mean."""

    objective: float
    gradient: float
    n_starts: int
    agreeing: int
    at_bound: tuple[str, ...]  # parameters that stand at the end of their range


@dataclass(frozen=True)
class Searched:
    """The optimum of one group, and what its intervals rest on.

    `linearised` is the least-squares problem that the fit looks like at its optimum, over the parameters
    that are free, on the scale of the residuals; None where parameters cannot be told apart there.
    """

    law: CurvedLaw
    metric: Metric
    means: Averages
    optimum: Optima
    linearised: Solution | None
    free: NDArray[np.bool_]  # linear parameters, then shapes
    degrees_of_freedom: int

    @property
    def residual_sum(self) -> float:
        """Of the runs, on the scale of the residuals."""
        return float(self.optimum.objective[0]) + self.means.within

    @property
    def linear(self) -> Floats:
        """Linear parameters (p,)."""
        linear: Floats = self.optimum.linear[0]
        return linear

    @property
    def coordinates(self) -> Floats:
        """Shapes (q,) in search coordinates."""
        shapes: Floats = self.optimum.shapes[0]
        return shapes

    def values(self, amounts: Floats) -> Floats:
        """The law at amounts, kept within the metric's range."""
        with np.errstate(divide="ignore"):
            x = np.log2(amounts)
        fitted = fitted_at(self.law, x[None], self.optimum.shapes, self.optimum.linear)[0]
        kept: Floats = np.clip(fitted, *self.metric.range)
        return kept

    def parameters(self) -> dict[str, Estimate]:
        """All parameters with their profile intervals; what stands at a bound has none."""
        p, q = len(self.law.linear), len(self.law.shapes)
        natural = self.law.natural(self.optimum.shapes)[0]
        values = [*self.linear.tolist(), *natural.tolist()]
        contrasts = np.eye(p + q)
        contrasts[p:, p:] = self._natural_gradients()
        reaches = [(0.0, Level.RUN)] * (p + q) if self.profile is None else self.reaches(contrasts)
        return {
            parameter.name: self._parameter(place, values[place], *reaches[place])
            for place, parameter in enumerate(self.law.parameters)
        }

    def at(self, amounts: Floats) -> list[Estimate]:
        """The law at each amount with its 95 % profile interval."""
        values = self.values(amounts).tolist()
        if self.profile is None:
            return [Estimate(value, None, None, None) for value in values]
        with np.errstate(divide="ignore"):
            x = np.log2(amounts)
        rows = self.profile.basis_at(x)
        reaches = self.reaches(gradients_at(self.law, x[None], self.optimum)[0])
        least, most = self.metric.range
        estimates = []
        for value, row, (reach, level) in zip(values, rows, reaches, strict=True):
            low, high = self.profile.linear_interval(row, reach)
            ends = max(min(low, value), least), min(max(high, value), most)
            estimates.append(Estimate(value, *ends, level))
        return estimates

    @cached_property
    def profile(self) -> Profile | None:
        """Laid out once, when an interval is first asked for; None without degrees of freedom."""
        if self.degrees_of_freedom <= 0:
            return None
        problem, bounds = self.means.problem(), bounds_of(self.law, self.metric)
        curvature = curvature_at(self.law, problem, bounds, self.optimum)[0]
        centre = Centre(self.coordinates, float(self.optimum.objective[0]), curvature)
        return profile(self.law, problem, bounds, centre, max(self.run_reach, np.finfo(float).tiny))

    @property
    def search(self) -> Search:
        """How the search ended."""
        bounds = bounds_of(self.law, self.metric)
        names = [
            one.name
            for one, value, ends in zip(self.law.linear, self.linear.tolist(), bounds, strict=True)
            if one.held is None and value in ends
        ]
        stuck = zip(self.law.shapes, self.optimum.at_limit[0].tolist(), strict=True)
        return Search(
            objective=float(self.optimum.relative[0]),
            gradient=float(self.optimum.gradient[0]),
            n_starts=self.optimum.n_starts,
            agreeing=int(self.optimum.agreeing[0]),
            at_bound=(*names, *(one.name for one, ended in stuck if ended)),
        )

    @property
    def run_reach(self) -> float:
        """Root of the rise of the objective that ends the run-level interval."""
        quantile = t_quantile(float(self.degrees_of_freedom))
        return float(quantile * np.sqrt(self.residual_sum / self.degrees_of_freedom))

    def reaches(self, contrasts: Floats) -> list[tuple[float, Level]]:
        """How far the objective may rise for parameters or values with these derivatives (n, p + q).

        The wider of two: runs, or chains where there are enough of them and they widen the linearised fit's
        interval.
        """
        if self.linearised is None:
            return [(self.run_reach, Level.RUN)] * len(contrasts)
        # Next to a singular fit the scatter of chains may leave the floats; then it says nothing.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            levels = self.linearised.levels(contrasts[:, self.free])
        found = []
        for runs, chains in zip(levels[Level.RUN], levels[Level.CHAIN], strict=True):
            known = 0 < runs.width < np.inf and np.isfinite(chains.width)
            ratio = chains.width / runs.width if known else 1.0
            level = Level.CHAIN if ratio > 1 else Level.RUN
            found.append((self.run_reach * max(ratio, 1.0), level))
        return found

    def _parameter(self, place: int, value: float, reach: float, level: Level) -> Estimate:
        p = len(self.law.linear)
        if self.profile is None or not self.free[place]:
            return Estimate(value, None, None, None)
        if place >= p:
            low, high = self.profile.shape_interval(place - p, reach)
        else:
            low, high = self.profile.linear_interval(np.eye(p)[None, place], reach)
            if self.law.linear[place].level:
                low, high = max(low, self.metric.range[0]), min(high, self.metric.range[1])
        return Estimate(value, min(low, value), max(high, value), level)

    def _natural_gradients(self) -> Floats:
        """Derivatives (q, q) of the shapes, as declared, by the search coordinates."""
        steps = np.eye(len(self.coordinates)) * STEP
        moved = self.law.natural(self.coordinates + steps) - self.law.natural(self.coordinates - steps)
        gradients: Floats = moved.T / (2 * STEP)
        return gradients


def search(
    law: CurvedLaw,
    metric: Metric,
    amounts: Floats,
    values: Floats,
    chains: NDArray[np.intp] | None,
    found: Optima | None = None,
) -> Searched:
    """Fit runs in canonical order, as many distinct amounts as parameters or more; or take what was found."""
    means = averages(amounts, values, log_scale=metric.log_scale)
    if found is None:
        optimum = optimise(law, means.problem(), bounds_of(law, metric))
    else:
        optimum = replace(found, fitted=fitted_at(law, means.x[None], found.shapes, found.linear))
    free = _free(law, metric, optimum)
    with np.errstate(divide="ignore"):
        x = np.log2(amounts)[None]
    fitted = fitted_at(law, x, optimum.shapes, optimum.linear)[0]
    design = gradients_at(law, x, optimum)[0][:, free]
    residuals = values - fitted
    if metric.log_scale:
        design, residuals = design / fitted[:, None], np.log(values) - np.log(fitted)
    return Searched(
        law=law,
        metric=metric,
        means=means,
        optimum=optimum,
        linearised=_linearise(design, residuals, chains),
        free=free,
        degrees_of_freedom=len(values) - law.n_free,
    )


def bounds_of(law: CurvedLaw, metric: Metric) -> Bounds:
    """What the metric's range means for the linear parameters."""
    anywhere = (-np.inf, np.inf)
    return tuple(
        (one.held, one.held) if one.held is not None else metric.range if one.level else anywhere
        for one in law.linear
    )


def _free(law: CurvedLaw, metric: Metric, optimum: Optima) -> NDArray[np.bool_]:
    """Which parameters stand at no bound."""
    low, high = np.array(bounds_of(law, metric)).T
    linear = optimum.linear[0]
    return np.concatenate([(linear > low) & (linear < high), ~optimum.at_limit[0]])


def _linearise(design: Floats, residuals: Floats, chains: NDArray[np.intp] | None) -> Solution | None:
    """Least squares of the residuals on the derivatives; None where these do not tell parameters apart."""
    if not design.shape[1] or len(design) < design.shape[1]:
        return None
    lengths = np.sqrt((design**2).sum(axis=0))
    if not (np.isfinite(design).all() and lengths.all()):
        return None
    singular = np.linalg.svd(design / lengths, compute_uv=False)
    return solve(design, residuals, chains) if singular[-1] > APART * singular[0] else None
