"""Profile intervals of a curved law: all values for which some parameters fit almost as well as the best.

For given shapes the law is linear, so the values within reach at these shapes are an interval in closed form;
the profile interval is the union of these over shapes. Shapes are laid out along rays from the optimum.
"""

from dataclasses import dataclass

import numpy as np

from analysis.laws.declaration import CurvedLaw, Floats
from analysis.problems import Problems, working
from analysis.projection import solved_at
from analysis.weighted import Bounds, combined

# Rays from the optimum and points on each, for one, two and more shapes.
RAYS = {1: (2, 60), 2: (20, 18)}
RAYS_BEYOND = (160, 14)
# How far out the rays go, in units of the run-level half-width; chains may ask for that much more.
NEAREST, FARTHEST = 0.05, 40.0
# A direction in which the objective is flatter than this share of its steepest one is followed to the limits.
FLAT = 1e-10


@dataclass(frozen=True)
class Profile:
    """Shapes around an optimum, what fits at each, and by how much worse.

    `rise` is the objective above its minimum; `spread` (G, p, p) the inverse of the weighted squares of the
    basis, so that the linear parameters at these shapes have the variance spread times that of a run.
    """

    law: CurvedLaw
    shapes: Floats  # (G, q), the optimum first
    linear: Floats  # (G, p)
    rise: Floats  # (G,)
    spread: Floats  # (G, p, p)

    def linear_interval(self, rows: Floats, reach: float) -> tuple[float, float]:
        """Ends of rows (G or 1, p) @ linear over all parameters whose objective rises by at most reach^2."""
        inside = self.rise <= reach**2
        rows = np.broadcast_to(rows, self.linear.shape)[inside]
        centres = (rows * self.linear[inside]).sum(axis=1)
        factors = np.einsum("gp,gpr,gr->g", rows, self.spread[inside], rows)
        margins = np.sqrt(np.maximum(factors * (reach**2 - self.rise[inside]), 0))
        return float((centres - margins).min()), float((centres + margins).max())

    def shape_interval(self, place: int, reach: float) -> tuple[float, float]:
        """Ends of one shape, as declared."""
        values = self.law.natural(self._inside(reach))[:, place]
        return float(values.min()), float(values.max())

    def basis_at(self, x: Floats) -> Floats:
        """Rows (A, G, p) of the basis at log2 amounts (A,)."""
        return np.moveaxis(self.law.basis(np.broadcast_to(x, (len(self.shapes), len(x))), self.shapes), 1, 0)

    def _inside(self, reach: float) -> Floats:
        """Shapes within reach, and where each ray leaves, between its last point inside and the next."""
        n_rays, n_radii = _layout(self.shapes.shape[1])
        rays = np.arange(1, 1 + n_rays * n_radii).reshape(n_rays, n_radii)
        rays = np.column_stack([np.zeros(n_rays, dtype=np.intp), rays])
        heights = np.sqrt(np.maximum(self.rise[rays], 0))
        leaves = np.where(heights > reach, np.arange(n_radii + 1), n_radii + 1).min(axis=1)
        crossing = np.flatnonzero(leaves <= n_radii)
        last, first = leaves[crossing] - 1, leaves[crossing]
        low, high = heights[crossing, last], heights[crossing, first]
        share = ((reach - low) / (high - low))[:, None]
        ends = self.shapes[rays[crossing, last]] * (1 - share) + self.shapes[rays[crossing, first]] * share
        return np.concatenate([self.shapes[self.rise <= reach**2], ends])


@dataclass(frozen=True)
class Centre:
    """The optimum that a profile is taken around: shapes (q,), objective, curvature (q, q) over shapes."""

    shapes: Floats
    objective: float
    curvature: Floats


def profile(law: CurvedLaw, problem: Problems, bounds: Bounds, centre: Centre, reach: float) -> Profile:
    """Lay out shapes along rays whose points are some fractions and multiples of `reach` out."""
    limits = law.limits(problem.finite_x)[0]
    shapes = np.concatenate([_rays(centre, limits, reach), law.starts(problem.finite_x)[0]])
    many = problem.take(np.zeros(len(shapes), dtype=np.intp))
    solved = solved_at(law, many, bounds, shapes)
    fitted = combined(law.basis(many.x, shapes), solved.linear)
    _, omega = working(many, fitted)
    columns = law.basis(many.x, shapes) * np.sqrt(omega)[..., None] * solved.free[:, None, :]
    return Profile(
        law=law,
        shapes=shapes,
        linear=solved.linear,
        rise=solved.objective - centre.objective,
        spread=inverse_squares(columns),
    )


def _layout(n_shapes: int) -> tuple[int, int]:
    return RAYS.get(n_shapes, RAYS_BEYOND)


def _rays(centre: Centre, limits: Floats, reach: float) -> Floats:
    """The optimum, then ray after ray from the inside out; a ray stops at the limits."""
    n_rays, n_radii = _layout(len(centre.shapes))
    eigenvalues, vectors = np.linalg.eigh(centre.curvature)
    floor = max(FLAT * eigenvalues.max(), np.finfo(float).tiny)
    root: Floats = vectors / np.sqrt(np.maximum(eigenvalues, floor))
    radii = np.geomspace(NEAREST, FARTHEST, n_radii) * reach
    steps = (_directions(len(centre.shapes), n_rays) @ root.T)[:, None, :] * radii[:, None]
    rays = np.clip(centre.shapes + steps, limits[0], limits[1]).reshape(-1, len(centre.shapes))
    return np.concatenate([centre.shapes[None], rays])


def _directions(n_shapes: int, n_rays: int) -> Floats:
    """Unit vectors, the same ones every time."""
    if n_shapes == 1:
        return np.array([[-1.0], [1.0]])
    if n_shapes == 2:
        angles = 2 * np.pi * np.arange(n_rays) / n_rays
        return np.column_stack([np.cos(angles), np.sin(angles)])
    vectors = np.random.default_rng(0).normal(size=(n_rays, n_shapes))
    unit: Floats = vectors / np.sqrt((vectors**2).sum(axis=1, keepdims=True))
    return unit


def inverse_squares(columns: Floats) -> Floats:
    """(columns' columns)^-1 (G, p, p); what a column at a bound does not move has no variance."""
    lengths = np.sqrt((columns**2).sum(axis=1))
    safe = np.where(lengths > 0, lengths, 1.0)
    unit = columns / safe[:, None, :]
    squares = unit.transpose(0, 2, 1) @ unit
    inverse = np.asarray(np.linalg.pinv(squares, rcond=1e-12, hermitian=True), dtype=np.float64)
    return inverse / safe[:, :, None] / safe[:, None, :]
