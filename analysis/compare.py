"""Comparisons: two strategies at equal amounts, and one strategy in and out of its domain."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.curve import estimate_json
from analysis.fitting import SUBSET_LUCK
from analysis.laws import Floats
from analysis.least_squares import FEWEST_CHAINS, UNKNOWN, Estimate, solve
from analysis.pairs import Pair, bring_together, paired_runs, ratio

UNPAIRED = "no amount and seed in common: compared as independent runs"


@dataclass(frozen=True)
class Comparison:
    """First minus second, in the unit of the values; paired by chain and amount where they share them.

    The p-values are Holm's, adjusted over all comparisons of the group; None where there is no t interval.
    """

    group: dict[str, Any]
    first: str
    second: str
    amounts: tuple[int | float, ...]  # those that both have
    n_chains: int
    average: Estimate  # over these amounts
    at_largest: Estimate
    per_doubling: Estimate
    notes: tuple[str, ...]
    p_average: float | None = None
    p_per_doubling: float | None = None


@dataclass(frozen=True)
class Transfer:
    """One strategy's slope out of domain against its slope in domain, from the cells that have both."""

    group: dict[str, Any]
    in_domain: str
    out_of_domain: str
    inside: Estimate
    outside: Estimate
    ratio: Estimate  # without an interval where none is bounded
    notes: tuple[str, ...]


def compare(
    group: dict[str, Any], names: tuple[str, str], first: pd.DataFrame, second: pd.DataFrame
) -> Comparison:
    """Set two tables of runs (`analysis.pairs.paired_runs`) against each other.

    Where runs share amount and chain, their differences are fitted with a line: its slope is the difference
    of slopes, its value at the mean of log2(amount) the average difference. Pairing removes what both share
    in a subset (`docs/statistics.md`). Without a shared run, lines of their own are compared.
    """
    both = paired_runs(first, second)
    pair = bring_together(both, first, second)
    shared = sorted({*first["amount"]} & {*second["amount"]})
    if both.empty:
        average, n_chains = UNKNOWN, 0
        if pair is not None:
            middle = np.log2(shared).mean() if shared else np.log2(pair.runs["amount"]).mean()
            average, n_chains = pair.difference.at(float(middle)).estimate(), pair.n_chains
        notes: tuple[str, ...] = (UNPAIRED, *_notes(n_chains))
    else:
        shared = sorted(set(both["amount"]))
        average, n_chains, notes = _average(both, pair), both["chain"].nunique(), ()
        notes = _notes(n_chains)
    return Comparison(
        group,
        *names,
        amounts=tuple(int(amount) if float(amount).is_integer() else float(amount) for amount in shared),
        n_chains=n_chains,
        average=average,
        at_largest=_at_largest(first, second, both, shared),
        per_doubling=UNKNOWN if pair is None else pair.difference.slope.estimate(),
        notes=notes,
    )


def adjusted(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """The comparisons with Holm's p-values over those that share a group."""
    found = list(comparisons)
    families: dict[str, list[int]] = {}
    for place, one in enumerate(found):
        families.setdefault(repr(one.group), []).append(place)
    for places in families.values():
        averages = holm([found[place].average.p for place in places])
        slopes = holm([found[place].per_doubling.p for place in places])
        for place, average, slope in zip(places, averages, slopes, strict=True):
            found[place] = replace(found[place], p_average=average, p_per_doubling=slope)
    return found


def comparison_json(one: Comparison) -> dict[str, Any]:
    """A comparison for machines; `p_holm` are adjusted over the comparisons of its group."""
    return {
        **one.group,
        "first": one.first,
        "second": one.second,
        "amounts": list(one.amounts),
        "n_chains": one.n_chains,
        "average": estimate_json(one.average),
        "at_largest": estimate_json(one.at_largest),
        "per_doubling": estimate_json(one.per_doubling),
        "p_holm": {"average": one.p_average, "per_doubling": one.p_per_doubling},
        "notes": list(one.notes),
    }


def holm(chances: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) step-down p-values over those that are known."""
    known = sorted((p, place) for place, p in enumerate(chances) if p is not None)
    corrected: list[float | None] = [None] * len(chances)
    least = 0.0
    for rank, (p, place) in enumerate(known):
        least = max(least, min(1.0, p * (len(known) - rank)))
        corrected[place] = least
    return corrected


def transfer(
    group: dict[str, Any], names: tuple[str, str], inside: pd.DataFrame, outside: pd.DataFrame
) -> Transfer:
    """Slope out of domain over slope in domain, with Fieller's interval (`docs/statistics.md`).

    `names` are the benchmarks in and out of domain; the tables are as for `compare`.
    """
    pair = bring_together(paired_runs(outside, inside), outside, inside)
    if pair is None or not pair.paired:
        few = "fewer than two amounts have both benchmarks"
        return Transfer(group, *names, inside=UNKNOWN, outside=UNKNOWN, ratio=UNKNOWN, notes=(few,))
    share = ratio(pair.first.slope, pair.second.slope)
    notes = _notes(pair.n_chains)
    if share.low is None:
        notes = (*notes, "ratio not identified: the slope in domain may be zero")
    return Transfer(
        group,
        *names,
        inside=pair.second.slope.estimate(),
        outside=pair.first.slope.estimate(),
        ratio=share,
        notes=notes,
    )


def _average(both: pd.DataFrame, pair: Pair | None) -> Estimate:
    """The mean difference: a fit passes through the mean of its points."""
    if pair is None:
        return _mean((both["first"] - both["second"]).to_numpy(dtype=np.float64))
    return pair.difference.at(float(np.log2(both["amount"].to_numpy(dtype=np.float64)).mean())).estimate()


def _at_largest(first: pd.DataFrame, second: pd.DataFrame, both: pd.DataFrame, shared: list[Any]) -> Estimate:
    """The difference at the largest amount that both have: paired, or of two independent means."""
    if not shared:
        return UNKNOWN
    if len(both):
        rows = both[both["amount"] == shared[-1]]
        return _mean((rows["first"] - rows["second"]).to_numpy(dtype=np.float64))
    sides = [
        rows.loc[rows["amount"] == shared[-1], "value"].to_numpy(dtype=np.float64) for rows in (first, second)
    ]
    is_second = np.repeat([0.0, 1.0], [len(side) for side in sides])
    design = np.column_stack([1 - is_second, is_second])
    return solve(design, np.concatenate(sides), None).estimates(np.array([[1.0, -1.0]]))[0]


def _mean(values: Floats) -> Estimate:
    return solve(np.ones((len(values), 1)), values, None).estimates(np.ones((1, 1)))[0]


def _notes(n_chains: int) -> tuple[str, ...]:
    return () if n_chains >= FEWEST_CHAINS else (f"{SUBSET_LUCK}: {n_chains} of the 3 chains it takes",)
