"""Cross-checks of a slope from counts of right answers: quasi-binomial and beta-binomial, identity link."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, special

from analysis.curve import estimate_json
from analysis.fitting import Runs
from analysis.laws import Floats
from analysis.least_squares import Estimate, Level, t_interval
from analysis.metric import POINTS_PER_FRACTION

# Shares are kept this far from 0 and 1, where a binomial has no variance to weigh by.
MARGIN = 1e-3
STEPS = 50
SETTLED = 1e-10


@dataclass(frozen=True)
class CrossChecks:
    """Slopes in points per doubling from independent runs; `dispersion` is the variance over a binomial's.

    The beta-binomial cannot be less dispersed than the binomial: there it is None.
    """

    quasi_binomial: Estimate
    dispersion: float
    beta_binomial: Estimate | None
    correlation: float | None  # of two answers of one run


def cross_checks(runs: Runs) -> CrossChecks | None:
    """From accuracies in points and their numbers of items; None without items, or with too few runs."""
    if runs.n_items is None or len(runs.values) <= 2 or len(np.unique(runs.amounts)) < 2:
        return None
    x = np.log2(runs.amounts)
    design = np.column_stack([np.ones_like(x), x - x.mean()])
    shares, n = runs.values / POINTS_PER_FRACTION, runs.n_items
    coefficients = _reweighted(design, shares, n)
    fitted = _inside(design @ coefficients)
    freedom = len(shares) - design.shape[1]
    weights = n / (fitted * (1 - fitted))
    dispersion = float((weights * (shares - fitted) ** 2).sum()) / freedom
    inverse = np.linalg.inv(design.T @ (design * weights[:, None]))
    quasi = _in_points(float(coefficients[1]), dispersion * inverse[1, 1], freedom)
    if dispersion <= 1 or (n <= 1).all():
        return CrossChecks(quasi, dispersion, None, None)
    start = np.append(coefficients, np.log(1 / _initial_correlation(dispersion, n) - 1))
    beta, correlation = _beta_binomial(design, np.round(shares * n), n, start)
    return CrossChecks(quasi, dispersion, beta, correlation)


def cross_checks_json(found: CrossChecks) -> dict[str, Any]:
    """The cross-checks for machines: slopes in points per doubling."""

    return {
        "quasi_binomial": estimate_json(found.quasi_binomial),
        "dispersion": found.dispersion,
        "beta_binomial": None if found.beta_binomial is None else estimate_json(found.beta_binomial),
        "correlation": found.correlation,
    }


def _reweighted(design: Floats, shares: Floats, n: Floats) -> Floats:
    """Iteratively reweighted least squares (McCullagh and Nelder 1989, 2.5)."""
    coefficients: Floats = np.linalg.pinv(design) @ shares
    for _ in range(STEPS):
        fitted = _inside(design @ coefficients)
        root = np.sqrt(n / (fitted * (1 - fitted)))
        following: Floats = np.linalg.pinv(design * root[:, None]) @ (shares * root)
        if np.abs(following - coefficients).max() < SETTLED:
            return following
        coefficients = following
    return coefficients


def _beta_binomial(
    design: Floats, correct: Floats, n: Floats, start: Floats
) -> tuple[Estimate | None, float | None]:
    """Maximum likelihood over the mean and the logarithm of kappa; correlation = 1 / (kappa + 1)."""

    def score(parameters: Floats) -> tuple[float, Floats]:
        mean, kappa = _inside(design @ parameters[:-1]), np.exp(parameters[-1])
        a, b = mean * kappa, (1 - mean) * kappa
        likelihood = special.betaln(correct + a, n - correct + b) - special.betaln(a, b)
        right, wrong = (
            special.psi(correct + a) - special.psi(a),
            special.psi(n - correct + b) - special.psi(b),
        )
        by_kappa = mean * right + (1 - mean) * wrong - special.psi(n + kappa) + special.psi(kappa)
        gradient = np.append(design.T @ (kappa * (right - wrong)), kappa * by_kappa.sum())
        return -float(likelihood.sum()), -gradient

    found = optimize.minimize(score, start, jac=True, method="BFGS", options={"gtol": 1e-5 * len(n)})
    information = _jacobian(lambda at: score(at)[1], found.x)
    try:
        covariance = np.linalg.inv(information)
    except np.linalg.LinAlgError:
        return None, None
    if not np.isfinite(found.fun) or covariance[1, 1] <= 0:
        return None, None
    slope = _in_points(float(found.x[1]), float(covariance[1, 1]), len(n) - design.shape[1])
    return slope, float(1 / (np.exp(found.x[-1]) + 1))


def _jacobian(gradient: Any, at: Floats) -> Floats:
    """Central differences of a gradient: the observed information."""
    steps = 1e-5 * np.maximum(1.0, np.abs(at))
    columns = [
        (gradient(at + step) - gradient(at - step)) / (2 * size)
        for size, step in zip(steps, np.diag(steps), strict=True)
    ]
    matrix = np.column_stack(columns)
    symmetric: Floats = (matrix + matrix.T) / 2
    return symmetric


def _initial_correlation(dispersion: float, n: Floats) -> float:
    """From dispersion = 1 + (n - 1) correlation."""
    return float(np.clip((dispersion - 1) / (n.mean() - 1), 1e-6, 0.5))


def _in_points(slope: float, variance: float, freedom: int) -> Estimate:
    error = float(np.sqrt(variance)) * POINTS_PER_FRACTION
    return t_interval(slope * POINTS_PER_FRACTION, error, float(freedom), Level.RUN)


def _inside(shares: Floats) -> Floats:
    return np.clip(shares, MARGIN, 1 - MARGIN)
