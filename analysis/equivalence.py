"""How much of one kind of data is worth as much as another: ratios with Fieller's intervals."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.curve import estimate_json
from analysis.least_squares import UNKNOWN, Estimate
from analysis.numerals import number
from analysis.pairs import Pair, bring_together, paired_runs, ratio

# Slopes that differ at this level make the ratio a function of the amount.
PARALLEL_CHANCE = 0.05
NOT_IDENTIFIED = "not identified"


@dataclass(frozen=True)
class Equivalent:
    """At `amount` of the first, where it reaches `value`: how many of the second one of it is worth."""

    amount: float
    value: float
    ratio: Estimate


@dataclass(frozen=True)
class DataEquivalence:
    """How many examples of the second one example of the first is worth.

    `overall` supposes parallel lines. `at` does not: it has the amounts of the first curve at which its line
    lies at a value that both lines reach within their own amounts. A ratio without ends is not identified.
    """

    group: dict[str, Any]
    first: str
    second: str
    overall: Estimate
    slope_difference: Estimate
    at: tuple[Equivalent, ...]
    notes: tuple[str, ...]

    @property
    def parallel(self) -> bool:
        """Whether nothing speaks against one ratio for all amounts."""
        return self.slope_difference.p is None or self.slope_difference.p >= PARALLEL_CHANCE


def data_equivalence(
    group: dict[str, Any], names: tuple[str, str], first: pd.DataFrame, second: pd.DataFrame
) -> DataEquivalence:
    """Compare two tables of runs (`analysis.pairs.paired_runs`) by the amounts that reach the same value."""
    pair = bring_together(paired_runs(first, second), first, second)
    if pair is None:
        few = "lines through both take two amounts each, shared where seeds are"
        return DataEquivalence(group, *names, UNKNOWN, UNKNOWN, (), (few,))
    x = np.log2(pair.runs["amount"].to_numpy(dtype=np.float64))
    overall = _doubled(ratio(pair.difference.at(float(x.mean())), pair.common.slope))
    at = tuple(_inside(pair, first, second))
    found = DataEquivalence(group, *names, overall, pair.difference.slope.estimate(), at, ())
    return DataEquivalence(group, *names, overall, found.slope_difference, at, tuple(_notes(found, pair)))


def equivalence_json(one: DataEquivalence) -> dict[str, Any]:
    """An equivalence for machines; ends are null where the ratio is not identified."""
    return {
        **one.group,
        "first": one.first,
        "second": one.second,
        "ratio": estimate_json(one.overall),
        "parallel": one.parallel,
        "at": [
            {"amount": each.amount, "value": each.value, "ratio": estimate_json(each.ratio)}
            for each in one.at
        ],
        "sentence": worth(one),
        "notes": list(one.notes),
    }


def worth(one: DataEquivalence) -> str:
    """The equivalence as a sentence."""
    if one.overall.estimate is None:
        return f"{one.first} and {one.second}: {'; '.join(one.notes)}"
    if one.parallel:
        if one.overall.low is None:
            return f"what one {one.first} example is worth in {one.second} examples is {NOT_IDENTIFIED}"
        return f"one {one.first} example is worth {_text(one.overall)} {one.second} examples"
    if not one.at:
        return f"{one.first} and {one.second}: slopes differ and no value is reached by both"
    ends = one.at if len(one.at) == 1 else (one.at[0], one.at[-1])
    parts = " and ".join(f"{_text(each.ratio)} at {each.amount:,.0f}" for each in ends)
    return f"one {one.first} example is worth, in {one.second} examples, {parts}: slopes differ"


def _inside(pair: Pair, first: pd.DataFrame, second: pd.DataFrame) -> Iterator[Equivalent]:
    """The ratio at each amount of the first whose value both lines reach within their own amounts.

    Both lines are at one value, A(x) = B(x + shift): the shift is (A(x) - B(x)) / slope of B.
    """
    reached = [
        sorted(line.at(float(np.log2(end))).value for end in (rows["amount"].min(), rows["amount"].max()))
        for line, rows in ((pair.first, first), (pair.second, second))
    ]
    low, high = max(each[0] for each in reached), min(each[1] for each in reached)
    for amount in sorted(set(first["amount"])):
        x = float(np.log2(amount))
        difference, value = pair.difference.at(x), pair.first.at(x).value
        if low <= value <= high:
            yield Equivalent(float(amount), value, _doubled(ratio(difference, pair.second.slope)))


def _doubled(shift: Estimate) -> Estimate:
    """A shift in doublings as a factor; ends that leave the range of numbers are unbounded."""
    factors = [
        None if end is None else float(np.exp2(end)) for end in (shift.estimate, shift.low, shift.high)
    ]
    if any(factor is not None and not np.isfinite(factor) for factor in factors):
        return UNKNOWN
    return Estimate(factors[0], factors[1], factors[2], shift.level)


def _notes(found: DataEquivalence, pair: Pair) -> Iterator[str]:
    if found.overall.low is None:
        yield f"{NOT_IDENTIFIED}: the slope may be zero"
    if not found.parallel:
        yield "slopes differ: the ratio changes with the amount"
    if not found.at:
        yield "no value is reached by both: the ratio rests on extrapolated lines"
    if not pair.paired:
        yield "no amount and seed in common: compared as independent runs"


def _text(factor: Estimate) -> str:
    if factor.low is None:
        return NOT_IDENTIFIED
    return f"{number(factor.estimate, 2)} ({number(factor.low, 2)} to {number(factor.high, 2)})"
