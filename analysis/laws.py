"""The laws: formulas for a measured value against the amount of data, each declared once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Parameter:
    """A number that a fit estimates; `per` is what its unit, that of the value, is divided by."""

    name: str
    meaning: str
    per: str


@dataclass(frozen=True)
class Law:
    """A formula that is linear in its parameters: value = design(amount) @ parameters."""

    id: str
    formula: str
    parameters: tuple[Parameter, ...]
    design: Callable[[Floats], Floats]  # amounts (n,) -> (n, number of parameters)


def _loglinear_design(amounts: Floats) -> Floats:
    return np.column_stack([np.ones_like(amounts), np.log2(amounts)])


LOGLINEAR = Law(
    id="loglinear",
    formula="value = intercept + per_doubling * log2(amount)",
    parameters=(
        Parameter("intercept", "value of the line at amount 1, usually far outside the data", ""),
        Parameter("per_doubling", "what each doubling of the amount adds", "doubling"),
    ),
    design=_loglinear_design,
)

LAWS = {law.id: law for law in (LOGLINEAR,)}
