"""The amount for a value: where the forecast, and the ends of its interval, reach it."""

from dataclasses import dataclass

import numpy as np

from analysis.forecast import FAR, Choice
from analysis.laws import Floats
from analysis.least_squares import Estimate

# How far beyond the largest amount is looked, in doublings, and in which steps.
DOUBLINGS_AHEAD = 10.0
STEP = 1 / 16
HALVINGS = 40


@dataclass(frozen=True)
class Reached:
    """An amount with its interval; None where the value is not reached within what is looked at."""

    amount: float | None
    low: float | None
    high: float | None
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, float | None]:
        """For machines."""
        return {"amount": self.amount, "low": self.low, "high": self.high}


NOT_REACHED = Reached(None, None, None, ())


def reach(choice: Choice, value: float) -> Reached:
    """The smallest amount, from the smallest that was run, at which the forecast is `value` or better.

    Its interval ends where the better and where the worse end of the forecast's interval reach the value.
    """
    first, last = np.log2(choice.means.ends[[0, -1], [0, 1]]).tolist()
    last += DOUBLINGS_AHEAD
    x = np.linspace(first, last, int((last - first) / STEP) + 1)
    rows = _rows(choice, x)
    better = choice.metric.better
    best, worst = (rows[2], rows[1]) if better > 0 else (rows[1], rows[2])
    amount = _crossing(choice, x, rows[0], value, 0)
    low = _crossing(choice, x, best, value, 2 if better > 0 else 1)
    high = _crossing(choice, x, worst, value, 1 if better > 0 else 2)
    return Reached(amount, low, high, tuple(_notes(choice, value, amount)))


def _rows(choice: Choice, x: Floats) -> Floats:
    """Estimate, low and high (3, n) at log2 amounts; nan where unknown."""
    return np.array([_row(one) for one in choice.at(np.exp2(x))]).T


def _row(one: Estimate) -> tuple[float, float, float]:
    return tuple(np.nan if end is None else end for end in (one.estimate, one.low, one.high))  # type: ignore[return-value]


def _crossing(choice: Choice, x: Floats, values: Floats, value: float, row: int) -> float | None:
    """The amount at which one of the rows first reaches the value; None where it does not."""
    better = choice.metric.better
    there = np.flatnonzero(better * (values - value) >= 0)
    if not len(there):
        return None
    place = int(there[0])
    if place == 0:
        return float(np.exp2(x[0]))
    low, high = float(x[place - 1]), float(x[place])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if better * (_rows(choice, np.array([middle]))[row, 0] - value) >= 0:
            high = middle
        else:
            low = middle
    return float(np.exp2(high))


def _notes(choice: Choice, value: float, amount: float | None) -> list[str]:
    smallest, largest = choice.means.ends[[0, -1], [0, 1]].tolist()
    if amount is None:
        factor = 2**DOUBLINGS_AHEAD
        return [f"{value:g} {choice.metric.unit} is not reached within {factor:g} times the largest amount"]
    if amount <= smallest:
        return [f"{value:g} {choice.metric.unit} is reached at the smallest amount already"]
    if amount > FAR * largest:
        return [
            f"{value:g} {choice.metric.unit} is reached at {amount / largest:.3g} times the largest amount:"
            f" beyond {FAR:g} times a forecast rests on the law more than on the runs"
        ]
    return []
