"""Least-squares problems side by side, and what they look like near a fit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.laws.declaration import Floats

SMALLEST_SHARE = 1e-3  # a fitted loss is kept above this share of the measured one


@dataclass(frozen=True)
class Problems:
    """B fits of one law: log2 amounts, mean values, mean logarithms of values, runs behind each; all (B, K).

    A weight of 0 leaves an amount out. On the log scale the residuals are those of the logarithms.
    """

    x: Floats
    means: Floats
    logs: Floats | None
    weights: Floats

    @property
    def finite_x(self) -> Floats:
        """log2 amounts with amount 0 moved to the smallest other one: what searches are laid out over."""
        finite = np.isfinite(self.x)
        smallest = np.where(finite, self.x, np.inf).min(axis=1)
        moved: Floats = np.where(finite, self.x, smallest[:, None])
        return moved

    @classmethod
    def joined(cls, parts: Sequence["Problems"]) -> "Problems":
        """The problems of all parts, part after part."""
        logs = [part.logs for part in parts if part.logs is not None]
        return cls(
            x=np.concatenate([part.x for part in parts]),
            means=np.concatenate([part.means for part in parts]),
            logs=np.concatenate(logs) if logs else None,
            weights=np.concatenate([part.weights for part in parts]),
        )

    def take(self, places: NDArray[np.intp]) -> "Problems":
        """Some of the problems, in any order, any number of times."""
        logs = None if self.logs is None else self.logs[places]
        return Problems(self.x[places], self.means[places], logs, self.weights[places])

    def __len__(self) -> int:
        return len(self.x)


def working(problems: Problems, fitted: Floats | None) -> tuple[Floats, Floats]:
    """Response and weights of a least-squares problem with the same optimum near `fitted`.

    On the log scale: log f is log s + (f - s) / s about s, the fit so far or the measured values themselves.
    """
    if problems.logs is None:
        return problems.means, problems.weights
    measured = np.exp(problems.logs)
    about = measured if fitted is None else np.maximum(fitted, SMALLEST_SHARE * measured)
    return about * (1 + problems.logs - np.log(about)), problems.weights / about**2


def total_squares(problems: Problems) -> Floats:
    """Weighted sum of squares about the mean."""
    values = problems.means if problems.logs is None else problems.logs
    mean = (problems.weights * values).sum(axis=1) / problems.weights.sum(axis=1)
    total: Floats = (problems.weights * (values - mean[:, None]) ** 2).sum(axis=1)
    return total
