"""Groups of one table set beside each other: strategies two by two, and model sizes as an axis."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.compare import Comparison, adjusted, compare, comparison_json
from analysis.equivalence import DataEquivalence, data_equivalence, equivalence_json, worth
from analysis.metric import Metric
from analysis.numerals import NOTHING, interval, number, p_value
from analysis.sizes import Sizes, fit_sizes, parse_size, sizes_json
from analysis.tidy import Group


@dataclass(frozen=True)
class Between:
    """What the groups of a table say about each other; empty where it was not asked for."""

    comparisons: tuple[Comparison, ...]
    equivalences: tuple[DataEquivalence, ...]
    sizes: tuple[Sizes, ...]


def between(groups: Sequence[Group], strategies: str | None, sizes: str | None) -> Between:
    """Compare the values of one column, and fit the sizes in another, within the groups of the rest.

    Runs are paired by seeds where the table names them. Raises Refused for what is no size.
    """
    pairings = list(_pairings(groups, strategies)) if strategies is not None else []
    return Between(
        comparisons=tuple(adjusted(compare(*pairing) for pairing in pairings)),
        equivalences=tuple(data_equivalence(*pairing) for pairing in pairings),
        sizes=tuple(_sizes(groups, sizes)) if sizes is not None else (),
    )


def between_json(found: Between) -> dict[str, Any]:
    """What was asked for, for machines."""
    told: dict[str, Any] = {}
    if found.comparisons:
        told["comparisons"] = [comparison_json(one) for one in found.comparisons]
        told["equivalences"] = [equivalence_json(one) for one in found.equivalences]
    if found.sizes:
        told["sizes"] = [sizes_json(one) for one in found.sizes]
    return told


def print_between(console: Console, found: Between, metric: Metric) -> None:
    """The same for people."""
    if found.comparisons:
        console.print(_comparison_table(found.comparisons, metric))
        for one in found.equivalences:
            console.print(Text(f"{_where(one.group)}{worth(one)}"), soft_wrap=True)
    for each in found.sizes:
        console.print(_size_table(each, metric))
        for line in _size_lines(each, metric):
            console.print(Text(line), soft_wrap=True)


Pairing = tuple[dict[str, Any], tuple[str, str], pd.DataFrame, pd.DataFrame]


def _pairings(groups: Sequence[Group], column: str) -> Iterator[Pairing]:
    for key, members in _within(groups, column):
        for first, second in combinations(members, 2):
            names = (str(first.key[column]), str(second.key[column]))
            yield key, names, _side(first), _side(second)


def _sizes(groups: Sequence[Group], column: str) -> Iterator[Sizes]:
    for key, members in _within(groups, column):
        sides = [_side(one).assign(size=parse_size(one.key[column])) for one in members]
        yield fit_sizes(key, pd.concat(sides, ignore_index=True))


def _within(groups: Sequence[Group], column: str) -> Iterator[tuple[dict[str, Any], list[Group]]]:
    """Groups that differ in `column` alone, with what they share."""
    families: dict[str, tuple[dict[str, Any], list[Group]]] = {}
    for group in groups:
        key = {name: value for name, value in group.key.items() if name != column}
        families.setdefault(repr(key), (key, []))[1].append(group)
    return iter(families.values())


def _side(group: Group) -> pd.DataFrame:
    """A group as `analysis.pairs` takes it; amount 0 has no logarithm and stays out."""
    seeds = [None] * len(group.runs.values) if group.seeds is None else [str(seed) for seed in group.seeds]
    side = pd.DataFrame({"amount": group.runs.amounts, "chain": seeds, "value": group.runs.values})
    return side[side["amount"] > 0].reset_index(drop=True)


def _where(group: dict[str, Any]) -> str:
    return f"{', '.join(str(value) for value in group.values())}: " if group else ""


def _comparison_table(comparisons: Sequence[Comparison], metric: Metric) -> Table:
    table = Table(caption=f"first minus second, in {metric.unit}; 95 % intervals; p by Holm over the pairs")
    for name in comparisons[0].group:
        table.add_column(Text(str(name)))
    for head in ("strategies", "on average", "interval", "p", "per doubling", "interval", "p"):
        table.add_column(head, justify="right" if head != "strategies" else "left")
    decimals = metric.decimals + 1
    for one in comparisons:
        cells = [*(str(value) for value in one.group.values()), f"{one.first} − {one.second}"]
        for estimate, p in ((one.average, one.p_average), (one.per_doubling, one.p_per_doubling)):
            chance = NOTHING if p is None else p_value(p)
            cells += [number(estimate.estimate, decimals), interval(estimate, decimals), chance]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _size_table(sizes: Sizes, metric: Metric) -> Table:
    table = Table(title=f"{_where(sizes.group)}by size", title_justify="left")
    for head in ("size", "per doubling", "interval", "held out: joint law", "additive", "nearest size"):
        table.add_column(head, justify="right")
    held_out = {one.size: one for one in sizes.held_out}
    decimals = metric.decimals + 1
    for one in sizes.slopes:
        out = held_out.get(one.size)
        errors = (None, None, None) if out is None else (out.joint, out.additive, out.nearest)
        cells = [f"{one.size:.3g}", number(one.per_doubling.estimate, decimals)]
        cells += [interval(one.per_doubling, decimals), *(number(error, decimals) for error in errors)]
        table.add_row(*cells)
    return table


def _size_lines(sizes: Sizes, metric: Metric) -> Iterator[str]:
    if sizes.joint is not None:
        decimals = metric.decimals + 1
        parts = (
            f"{name} {number(one.estimate, decimals)} ({interval(one, decimals)})"
            for name, one in sizes.joint.parameters.items()
        )
        yield f"joint law, {metric.unit}: {'; '.join(parts)}"
    if sizes.held_out:
        yield f"held out: root mean square error of the means of a size that was left out, {metric.unit}"
    yield from sizes.notes
