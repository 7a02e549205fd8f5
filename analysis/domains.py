"""Runs in and out of domain, paired: one checkpoint, graded on two benchmarks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd

from analysis.metric import Metric
from analysis.results import Results
from analysis.table import measured, points
from analysis.words import place


@dataclass(frozen=True)
class Pairing:
    """The checkpoints of one setting on a benchmark in domain and one out of it.

    `series` has for each strategy a table of `amount`, `inside` and `outside` in the unit of the metric, one
    row per checkpoint. `references` has the two means of each reference.
    """

    where: str
    in_domain: str
    out_of_domain: str
    series: Mapping[str, pd.DataFrame]
    references: Mapping[str, tuple[float, float]]


def pairings(results: Results) -> list[Pairing]:
    """Each setting with each pair of benchmarks; none where the study has no two roles."""
    inside, outside = (
        [name for name, role in results.roles.items() if role == wanted]
        for wanted in ("in_domain", "out_of_domain")
    )
    places = product(results.settings(), inside, outside)
    return [pairing for setting, one, other in places for pairing in _pairing(results, setting, one, other)]


def _pairing(
    results: Results, setting: dict[str, Any], in_domain: str, out_of_domain: str
) -> Iterator[Pairing]:
    rows = points(results.table)
    for name, value in setting.items():
        rows = rows[rows[name] == value]
    keys = ["strategy", "amount", "subset_seed", "train_seed"]
    one, other = (
        rows[rows["benchmark"] == benchmark][keys].assign(value=_values(rows, benchmark, results.metric))
        for benchmark in (in_domain, out_of_domain)
    )
    both = one.merge(other, on=keys, suffixes=("_inside", "_outside")).dropna()
    both = both.rename(columns={"value_inside": "inside", "value_outside": "outside"})
    if len(both):
        yield Pairing(
            where=place(setting, setting),
            in_domain=in_domain,
            out_of_domain=out_of_domain,
            series={
                name: both[both["strategy"] == name][["amount", "inside", "outside"]]
                for name in results.strategies
                if name in set(both["strategy"])
            },
            references=_references(results, setting, (in_domain, out_of_domain)),
        )


def _values(rows: pd.DataFrame, benchmark: str, metric: Metric) -> pd.Series:
    part = rows[rows["benchmark"] == benchmark]
    return pd.Series(measured(part, metric), index=part.index)


def _references(
    results: Results, setting: dict[str, Any], benchmarks: tuple[str, str]
) -> dict[str, tuple[float, float]]:
    inside, outside = (
        {line.name: line.value for line in results.lines_at(benchmark, setting)} for benchmark in benchmarks
    )
    return {name: (value, outside[name]) for name, value in inside.items() if name in outside}
