"""How a law is declared: formula, parameters with units and bounds, derivation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Parameter:
    """A number that a fit estimates; `per` is what its unit, that of the value, is divided by.

    `unit` is given where it is not that of the value. A `level` is a value that the metric itself may take: a
    fit keeps it within the metric's range. `held` is a value that is not estimated.
    """

    name: str
    meaning: str
    per: str = ""
    unit: str = ""
    level: bool = False
    held: float | None = None


@dataclass(frozen=True)
class Trust:
    """How much a law's forecasts count before the data speak, by how many of the largest amounts it sees.

    0 means all amounts. A law without an entry forecasts nothing of that kind.
    """

    accuracy: Mapping[int, float] = field(default_factory=dict)
    loss: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Law:
    """A formula that is linear in its parameters: value = design(amount) @ parameters.

    `last_amounts` is how many of the largest amounts the law looks at; None: all.
    """

    id: str
    formula: str
    parameters: tuple[Parameter, ...]
    design: Callable[[Floats], Floats]  # amounts (n,) -> (n, number of parameters)
    derivation: str = ""
    trust: Trust = Trust()
    admits_zero: bool = False
    last_amounts: int | None = None

    @property
    def n_free(self) -> int:
        """Parameters that are estimated."""
        return len(self.parameters)

    @property
    def fewest_amounts(self) -> int:
        """Distinct amounts without which there is no fit."""
        return self.n_free


@dataclass(frozen=True)
class CurvedLaw:
    """A formula that is linear once its shapes are known: value = basis(x, shapes) @ linear.

    x is log2(amount), minus infinity for amount 0. A search moves shapes in coordinates of its own, in which
    the formula bends evenly (logarithms of what must be positive); `natural` gives the shapes as declared.
    """

    id: str
    formula: str
    linear: tuple[Parameter, ...]
    shapes: tuple[Parameter, ...]
    basis: Callable[[Floats, Floats], Floats]  # x (..., K), coordinates (..., q) -> (..., K, p)
    natural: Callable[[Floats], Floats]  # coordinates (..., q) -> shapes as declared (..., q)
    limits: Callable[[Floats], Floats]  # x (B, K), finite -> lowest and highest coordinates (B, 2, q)
    starts: Callable[[Floats], Floats]  # x (B, K), finite -> coordinates (B, G, q), neighbours side by side
    derivation: str
    trust: Trust = Trust()
    admits_zero: bool = False
    bounded_metrics_only: bool = False

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Linear parameters, then shapes."""
        return (*self.linear, *self.shapes)

    @property
    def n_free(self) -> int:
        """Parameters that are estimated."""
        return sum(parameter.held is None for parameter in self.parameters)

    @property
    def fewest_amounts(self) -> int:
        """Distinct amounts without which there is no fit; four shapes through as many points are none."""
        return self.n_free + (1 if len(self.shapes) > 2 else 0)


AnyLaw = Law | CurvedLaw


def product_grid(limits: Floats, counts: tuple[int, ...]) -> Floats:
    """Evenly spaced coordinates (B, G, q) between limits (B, 2, q), ends left out, first slowest."""
    shares = [(np.arange(count) + 0.5) / count for count in counts]
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*shares, indexing="ij")], axis=-1)
    low, high = limits[:, :1], limits[:, 1:]
    spread: Floats = low + (high - low) * grid
    return spread


def corners(low: list[Floats], high: list[Floats]) -> Floats:
    """Limits (B, 2, q) from one array (B,) per coordinate and end."""
    return np.stack([np.stack(low, axis=-1), np.stack(high, axis=-1)], axis=1)
