"""Parametric bootstrap of a curved law, studentised: a check on the profile intervals, on request.

Runs are simulated from the fitted law with the scatter that was measured, never drawn again from the few
there are: percentiles over three seeds cover 84 % where they promise 95 %.
"""

from dataclasses import replace

import numpy as np

from analysis.fitting import Fit
from analysis.laws.declaration import CurvedLaw, Floats
from analysis.least_squares import CONFIDENCE, Estimate
from analysis.problems import Problems
from analysis.profile import inverse_squares
from analysis.projection import Optima, gradients_at, refit
from analysis.searched import Searched, bounds_of

SEED = 0


def bootstrapped(fit: Fit, n_refits: int) -> Fit:
    """The fit with bootstrap intervals of its parameters; a line, whose t intervals are exact, as it is."""
    searched = fit.searched
    if searched is None or searched.degrees_of_freedom <= 0:
        return fit
    ends = _ends(searched, n_refits)
    p = len(searched.law.linear)
    contrasts = np.eye(len(fit.parameters))
    parameters = {}
    for place, (name, known) in enumerate(fit.parameters.items()):
        if known.low is None or known.estimate is None:
            parameters[name] = known
            continue
        level = searched.reaches(contrasts[place : place + 1])[0][1]
        low, high = (float(end) for end in ends[place])
        if place < p and searched.law.linear[place].level:
            low, high = np.clip([low, high], *searched.metric.range).tolist()
        parameters[name] = Estimate(
            known.estimate, min(low, known.estimate), max(high, known.estimate), level
        )
    return replace(fit, parameters=parameters, intervals="bootstrap")


def _ends(searched: Searched, n_refits: int) -> Floats:
    """Low and high (p + q, 2) of all parameters, shapes as declared.

    The root is (refit - fit) over the linearised standard error about the refit; its quantiles times the
    standard error about the fit are laid off from the fit the other way round (Davison and Hinkley 1997,
    5.2.1). Where chains widen the linearised interval, the ends move out by the same factor.
    """
    law, problem = searched.law, searched.means.problem()
    simulated, within = _simulated(searched, n_refits)
    shapes = np.repeat(searched.optimum.shapes, n_refits, axis=0)
    optima = refit(law, simulated, bounds_of(law, searched.metric), shapes)
    freedom = searched.degrees_of_freedom
    fitted = np.concatenate([searched.linear, searched.coordinates])
    errors = _standard_errors(law, simulated, optima, (optima.objective + within) / freedom)
    own = _standard_errors(law, problem, searched.optimum, np.array([searched.residual_sum / freedom]))[0]
    roots = (np.column_stack([optima.linear, optima.shapes]) - fitted) / np.where(errors > 0, errors, np.inf)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(roots, [tail, 1 - tail], axis=0)
    wider = np.array([reach for reach, _ in searched.reaches(np.eye(len(fitted)))]) / searched.run_reach
    ends = np.stack([fitted - high * own * wider, fitted - low * own * wider], axis=1)
    p = len(law.linear)
    limits = law.limits(problem.finite_x)[0]
    ends[p:] = np.sort(law.natural(np.clip(ends[p:].T, *limits)).T, axis=1)
    return ends


def _standard_errors(law: CurvedLaw, problems: Problems, optima: Optima, variances: Floats) -> Floats:
    """Linearised standard errors (B, p + q) of all parameters, in search coordinates."""
    columns = gradients_at(law, problems.x, optima) * np.sqrt(problems.weights)[..., None]
    if problems.logs is not None:
        columns = columns / optima.fitted[..., None]
    diagonal = np.diagonal(inverse_squares(columns), axis1=1, axis2=2)
    return np.sqrt(np.maximum(diagonal, 0) * variances[:, None])


def _simulated(searched: Searched, n_refits: int) -> tuple[Problems, Floats]:
    """Means of runs about the fitted law, and the squares of the runs about these means."""
    generator = np.random.default_rng(SEED)
    means, fitted = searched.means, searched.optimum.fitted
    scale = np.sqrt(searched.residual_sum / searched.degrees_of_freedom)
    errors = generator.normal(size=(n_refits, len(means.counts))) * scale / np.sqrt(means.counts)
    freedom = float(means.counts.sum() - len(means.counts))
    within = scale**2 * (generator.chisquare(freedom, n_refits) if freedom > 0 else np.zeros(n_refits))
    values = fitted + errors if means.logs is None else fitted * np.exp(errors)
    logs = None if means.logs is None else np.log(values)
    repeated = np.ones((n_refits, 1))
    return Problems(means.x * repeated, values, logs, means.counts * repeated), within
