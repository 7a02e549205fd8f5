"""Weighted least squares of many small problems at once, parameters within bounds.

Sums run along each problem's own rows, so that a problem gives the same bits alone and among others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.laws.declaration import Floats

# A column this much shorter than it was, once the columns before it are taken out, adds no direction.
DEPENDENT = 1e-11

Bounds = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Solved:
    """Linear parameters (N, p), unweighted residuals (N, K), weighted objective (N,), free parameters."""

    linear: Floats
    residuals: Floats
    objective: Floats
    free: NDArray[np.bool_]  # (N, p): not at a bound

    def take(self, keep: NDArray[np.bool_]) -> "Solved":
        """Some of the problems."""
        return Solved(self.linear[keep], self.residuals[keep], self.objective[keep], self.free[keep])

    def replaced(self, other: "Solved", where: NDArray[np.bool_]) -> "Solved":
        """The other's solution where so wanted."""
        return Solved(
            np.where(where[:, None], other.linear, self.linear),
            np.where(where[:, None], other.residuals, self.residuals),
            np.where(where, other.objective, self.objective),
            np.where(where[:, None], other.free, self.free),
        )


def solve_bounded(basis: Floats, response: Floats, omega: Floats, bounds: Bounds) -> Solved:
    """Minimise the sum of omega * (response - basis @ linear)^2 within bounds.

    `basis` (N, K, p), `response` and `omega` (N, K). With bounds there are at most two parameters: then the
    optimum is the free one, or lies on an edge, where one parameter is left.
    """
    low, high = np.array(bounds).T
    linear = _solve_free(basis, response, omega)
    outside = ((linear < low) | (linear > high)).any(axis=1)
    free = np.ones(linear.shape, dtype=bool)
    if outside.any():
        linear[outside], free[outside] = _solve_on_edges(
            basis[outside], response[outside], omega[outside], bounds
        )
    residuals = response - combined(basis, linear)
    return Solved(linear, residuals, np.vecdot(omega * residuals, residuals), free)


def combined(basis: Floats, linear: Floats) -> Floats:
    """basis (N, K, p) @ linear (N, p), as (N, K)."""
    values: Floats = basis[..., 0] * linear[:, :1]
    for j in range(1, basis.shape[-1]):
        values = values + basis[..., j] * linear[:, j : j + 1]
    return values


def outside_span(columns: Floats, targets: list[Floats], free: NDArray[np.bool_]) -> list[Floats]:
    """What of each target (N, K) lies outside the span of the free columns (N, K, p)."""
    units = _orthonormal(columns * free[:, None, :])[0]
    rests = []
    for target in targets:
        rest = target
        for unit in units:
            rest = rest - unit * np.vecdot(unit, rest)[:, None]
        rests.append(rest)
    return rests


def _orthonormal(columns: Floats) -> tuple[list[Floats], list[list[Floats]]]:
    """Modified Gram-Schmidt, each column twice: unit vectors and upper triangle.

    The vector of a column that adds no direction is 0.
    """
    units: list[Floats] = []
    upper: list[list[Floats]] = []
    for j in range(columns.shape[2]):
        column = np.ascontiguousarray(columns[..., j])
        before = np.sqrt(np.vecdot(column, column))
        shares = [np.zeros_like(before) for _ in units]
        for _ in range(2):
            for i, unit in enumerate(units):
                share = np.vecdot(unit, column)
                column = column - unit * share[:, None]
                shares[i] = shares[i] + share
        length = np.sqrt(np.vecdot(column, column))
        adds = length > DEPENDENT * before
        units.append(column / np.where(adds, length, np.inf)[:, None])
        upper.append([*shares, np.where(adds, length, 1.0)])
    return units, upper


def _solve_free(basis: Floats, response: Floats, omega: Floats) -> Floats:
    """Without bounds; a column that adds no direction gets 0."""
    root = np.sqrt(omega)
    units, upper = _orthonormal(basis * root[..., None])
    rest = response * root
    coordinates = []
    for unit in units:
        coordinate = np.vecdot(unit, rest)
        rest = rest - unit * coordinate[:, None]
        coordinates.append(coordinate)
    p = len(units)
    linear: Floats = np.zeros((len(basis), p))
    for j in reversed(range(p)):
        value = coordinates[j]
        for k in range(j + 1, p):
            value = value - upper[k][j] * linear[:, k]
        linear[:, j] = value / upper[j][j]
    return linear


def _solve_on_edges(
    basis: Floats, response: Floats, omega: Floats, bounds: Bounds
) -> tuple[Floats, NDArray[np.bool_]]:
    """The best of the edges, where one parameter stands at a bound and the other is clipped to its own."""
    n, _, p = basis.shape
    assert p <= 2, "bounds with three linear parameters are not solved here"
    best, linear = np.full(n, np.inf), np.zeros((n, p))
    for j, ends in enumerate(bounds):
        for end in dict.fromkeys(end for end in ends if np.isfinite(end)):
            candidate = np.full((n, p), float(end))
            rest = response - end * basis[..., j]
            if p == 2:
                other = 1 - j
                column = basis[..., other]
                square = np.vecdot(omega * column, column)
                share = np.vecdot(omega * column, rest) / np.where(square > 0, square, np.inf)
                candidate[:, other] = np.clip(share, *bounds[other])
                rest = rest - candidate[:, other, None] * column
            objective = np.vecdot(omega * rest, rest)
            better = objective < best
            best, linear[better] = np.where(better, objective, best), candidate[better]
    low, high = np.array(bounds).T
    return linear, (linear > low) & (linear < high)
