"""Variable projection, many fits at once: shapes are searched, linear parameters are solved for.

Golub and Pereyra (1973), with the derivative of Kaufman (1975). A problem is the mean value at each of its
amounts, weighted by the runs behind it: to least squares that is the same as the runs themselves.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analysis.laws import CurvedLaw, Floats
from analysis.problems import Problems, total_squares, working
from analysis.weighted import Bounds, Solved, combined, outside_span, solve_bounded

# Starts that are polished: the best of each stretch of the grid, and the best that is left: it is beside
# another one where the objective has one valley. This many numbers are held at a time.
N_STRETCHES = 5
CHUNK = 4_000_000
MOST_STEPS = 60
# A step that gains less than this share of the objective is the last; every start is polished roughly, the
# best one to the end.
ROUGH_GAIN, GAIN = 1e-4, 1e-14
# An objective of this share of the squared values is what arithmetic leaves of 0.
ZERO = 1e-28
# Two starts agree where their objectives do, relative to the better one and to the variance of the values.
AGREE, AGREE_EXACT = 1e-3, 1e-12
LEAST_DAMPING, MOST_DAMPING = 1e-12, 1e3
WIDE_STEP = 1e-5  # of a central difference
STEP = 1e-7  # of a difference, in coordinates that are of order one
LOG_ROUNDS = 6


@dataclass(frozen=True)
class Optima:
    """What B searches found: parameters in search coordinates, and how the search ended.

    `objective` is the weighted sum of squared residuals; `relative` the same and `gradient` the length of its
    gradient over the shapes, both per sum of squares about the mean, so that they are of order one whatever
    the unit. `agreeing` counts the starts that ended at this objective.
    """

    linear: Floats  # (B, p)
    shapes: Floats  # (B, q)
    fitted: Floats  # (B, K)
    objective: Floats  # (B,)
    relative: Floats  # (B,)
    gradient: Floats  # (B,)
    n_starts: int
    agreeing: NDArray[np.intp]  # (B,)
    at_limit: NDArray[np.bool_]  # (B, q)

    def take(self, places: NDArray[np.intp]) -> "Optima":
        """Some of the fits."""
        return Optima(
            linear=self.linear[places],
            shapes=self.shapes[places],
            fitted=self.fitted[places],
            objective=self.objective[places],
            relative=self.relative[places],
            gradient=self.gradient[places],
            n_starts=self.n_starts,
            agreeing=self.agreeing[places],
            at_limit=self.at_limit[places],
        )


@dataclass(frozen=True)
class _Search:
    """One polish: problems in working form, and where the search stands."""

    law: CurvedLaw
    bounds: Bounds
    x: Floats
    response: Floats
    omega: Floats
    limits: Floats


def optimise(law: CurvedLaw, problems: Problems, bounds: Bounds) -> Optima:
    """The best fit of each problem. Each is computed as if it were alone, to the last bit."""
    low_high = law.limits(problems.finite_x)
    starts = _promising(law, problems, bounds)
    n_starts = starts.shape[1]
    places = np.repeat(np.arange(len(problems)), n_starts)
    response, omega = working(problems, None)
    many = _Search(law, bounds, problems.x[places], response[places], omega[places], low_high[places])
    polished, objective = _polish(many, starts.reshape(len(places), -1), ROUGH_GAIN)
    objective = objective.reshape(len(problems), n_starts)
    best = objective.argmin(axis=1)
    rows = np.arange(len(problems))
    shapes = polished.reshape(len(problems), n_starts, -1)[rows, best]
    total = total_squares(problems)
    lowest = objective[rows, best]
    scale = np.vecdot(omega * response, response) if problems.logs is not None else total
    tolerance = AGREE * lowest + AGREE_EXACT * scale
    agreeing = (objective <= (lowest + tolerance)[:, None]).sum(axis=1)
    return replace(refit(law, problems, bounds, shapes), n_starts=n_starts, agreeing=agreeing)


def fitted_at(law: CurvedLaw, x: Floats, shapes: Floats, linear: Floats) -> Floats:
    """Values (B, K) of B fits at log2 amounts x (B, K)."""
    return combined(law.basis(x, shapes), linear)


def solved_at(law: CurvedLaw, problems: Problems, bounds: Bounds, shapes: Floats) -> Solved:
    """The linear parameters that go with shapes (B, q)."""
    fitted = None
    for _ in range(1 if problems.logs is None else LOG_ROUNDS):
        response, omega = working(problems, fitted)
        solved = solve_bounded(law.basis(problems.x, shapes), response, omega, bounds)
        fitted = response - solved.residuals
    return solved


def gradients_at(law: CurvedLaw, x: Floats, optima: Optima) -> Floats:
    """Derivatives (B, A, p + q) of the values at log2 amounts (B, A): linear parameters, then shapes."""
    columns = list(np.moveaxis(law.basis(x, optima.shapes), -1, 0))
    for step in np.eye(optima.shapes.shape[1]) * WIDE_STEP:
        ahead = fitted_at(law, x, optima.shapes + step, optima.linear)
        behind = fitted_at(law, x, optima.shapes - step, optima.linear)
        columns.append((ahead - behind) / (2 * WIDE_STEP))
    return np.stack(columns, axis=-1)


def curvature_at(law: CurvedLaw, problems: Problems, bounds: Bounds, optima: Optima) -> Floats:
    """Half the second derivatives (B, q, q) of the objective over the shapes, nearly."""
    response, omega = working(problems, optima.fitted)
    search = _Search(law, bounds, problems.x, response, omega, law.limits(problems.finite_x))
    solved = solve_bounded(law.basis(problems.x, optima.shapes), response, omega, bounds)
    return _normal(search, optima.shapes, solved)[1]


def refit(law: CurvedLaw, problems: Problems, bounds: Bounds, shapes: Floats) -> Optima:
    """The optimum of each problem next to the shapes (B, q) it is started from.

    On the log scale the working weights follow the fit until it stands still.
    """
    limits = law.limits(problems.finite_x)
    fitted: Floats | None = None
    for _ in range(1 if problems.logs is None else LOG_ROUNDS):
        response, omega = working(problems, fitted)
        search = _Search(law, bounds, problems.x, response, omega, limits)
        shapes, _ = _polish(search, shapes, GAIN)
        solved = solve_bounded(law.basis(problems.x, shapes), response, omega, bounds)
        fitted = response - solved.residuals
    total = np.maximum(total_squares(problems), np.finfo(float).tiny)
    pull, _ = _normal(search, shapes, solved)
    held = _held_back(shapes, pull, limits)
    return Optima(
        linear=solved.linear,
        shapes=shapes,
        fitted=response - solved.residuals,
        objective=solved.objective,
        relative=solved.objective / total,
        gradient=2 * np.sqrt((np.where(held, 0.0, pull) ** 2).sum(axis=1)) / total,
        n_starts=1,
        agreeing=np.ones(len(problems), dtype=np.intp),
        at_limit=(shapes <= limits[:, 0]) | (shapes >= limits[:, 1]),
    )


def _promising(law: CurvedLaw, problems: Problems, bounds: Bounds) -> Floats:
    """Points of the grid of starts to polish from: coordinates (B, N_STRETCHES + 1, q)."""
    chosen = []
    size = max(1, CHUNK // (law.starts(problems.finite_x[:1]).shape[1] * problems.x.shape[1]))
    for first in range(0, len(problems), size):
        part = problems.take(np.arange(first, min(first + size, len(problems))))
        grid = law.starts(part.finite_x)
        n, n_grid, q = grid.shape
        response, omega = working(part, None)
        basis = law.basis(np.repeat(part.x, n_grid, axis=0), grid.reshape(-1, q))
        solved = solve_bounded(
            basis, np.repeat(response, n_grid, axis=0), np.repeat(omega, n_grid, axis=0), bounds
        )
        objective = solved.objective.reshape(n, n_grid)
        edges = np.linspace(0, n_grid, N_STRETCHES + 1).astype(int)
        best = np.stack([objective[:, a:b].argmin(axis=1) + a for a, b in pairwise(edges.tolist())], axis=1)
        np.put_along_axis(objective, best, np.inf, axis=1)
        places = np.column_stack([best, objective.argmin(axis=1)])
        chosen.append(np.take_along_axis(grid, places[:, :, None], axis=1))
    return np.concatenate(chosen)


def _polish(search: _Search, shapes: Floats, least_gain: float) -> tuple[Floats, Floats]:
    """Levenberg-Marquardt over the shapes; a step is taken only where it lowers the objective."""
    shapes = shapes.copy()
    solved = solve_bounded(search.law.basis(search.x, shapes), search.response, search.omega, search.bounds)
    objective, scale = solved.objective, np.vecdot(search.omega * search.response, search.response)
    damping, live = np.full(len(shapes), 1e-3), np.arange(len(shapes))
    for _ in range(MOST_STEPS):
        if not len(live):
            break
        here = _part(search, live)
        pull, curvature = _normal(here, shapes[live], solved)
        moved = _step(shapes[live], pull, curvature, damping[live], here.limits)
        tried = solve_bounded(here.law.basis(here.x, moved), here.response, here.omega, here.bounds)
        gain = objective[live] - tried.objective
        better = gain > 0
        shapes[live[better]], objective[live[better]] = moved[better], tried.objective[better]
        damping[live] = np.where(better, damping[live] / 10, damping[live] * 10)
        before = objective[live] + np.maximum(gain, 0)
        go_on = np.where(better, gain > least_gain * before, damping[live] < MOST_DAMPING)
        go_on &= objective[live] > ZERO * scale[live]
        solved = solved.replaced(tried, better).take(go_on)
        live = live[go_on]
    return shapes, objective


def _part(search: _Search, live: NDArray[np.intp]) -> _Search:
    return _Search(
        search.law,
        search.bounds,
        search.x[live],
        search.response[live],
        search.omega[live],
        search.limits[live],
    )


def _normal(search: _Search, shapes: Floats, solved: Solved) -> tuple[Floats, Floats]:
    """J'r (N, q) and J'J (N, q, q) of the projected residuals."""
    root = np.sqrt(search.omega)
    basis = search.law.basis(search.x, shapes)
    here, columns = combined(basis, solved.linear), []
    for j in range(shapes.shape[1]):
        ahead = shapes.copy()
        ahead[:, j] += STEP
        there = combined(search.law.basis(search.x, ahead), solved.linear)
        columns.append(root * (there - here) / STEP)
    jacobian = outside_span(basis * root[..., None], columns, solved.free)
    residuals = root * solved.residuals
    pull = np.stack([np.vecdot(column, residuals) for column in jacobian], axis=-1)
    curvature = np.stack(
        [np.stack([np.vecdot(one, other) for other in jacobian], axis=-1) for one in jacobian], axis=-1
    )
    return pull, curvature


def _held_back(shapes: Floats, pull: Floats, limits: Floats) -> NDArray[np.bool_]:
    """Coordinates that stand at a limit and would go beyond."""
    held: NDArray[np.bool_] = ((shapes <= limits[:, 0]) & (pull < 0)) | (
        (shapes >= limits[:, 1]) & (pull > 0)
    )
    return held


def _step(shapes: Floats, pull: Floats, curvature: Floats, damping: Floats, limits: Floats) -> Floats:
    held = _held_back(shapes, pull, limits)
    q = shapes.shape[1]
    pull = np.where(held, 0.0, pull)
    curvature = np.where(held[:, :, None] | held[:, None, :], 0.0, curvature)
    lengths = np.sqrt(curvature[:, np.arange(q), np.arange(q)])
    lengths = np.where(lengths > 0, lengths, 1.0)
    system = curvature / lengths[:, :, None] / lengths[:, None, :]
    system = system + np.maximum(damping, LEAST_DAMPING)[:, None, None] * np.eye(q)
    steps = np.linalg.solve(system, (pull / lengths)[..., None])[..., 0] / lengths
    moved: Floats = np.clip(shapes + np.clip(steps, -3, 3), limits[:, 0], limits[:, 1])
    return moved
