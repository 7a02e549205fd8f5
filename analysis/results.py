"""All that a study's report says, computed once: table, curves, lines, comparisons."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from analysis.compare import Comparison, Transfer, adjusted, compare, transfer
from analysis.curve import Curve, curve
from analysis.equivalence import DataEquivalence, data_equivalence
from analysis.laws import LAWS, LOGLINEAR
from analysis.measured import study_variance
from analysis.metric import ACCURACY, METRICS, Metric
from analysis.study import Study
from analysis.table import measured, points, runs_of, side_of, tabulate
from analysis.targets import Targets, comparison_targets, slope_targets
from analysis.variance import Variance

FEWEST_SUBSETS = 3


@dataclass(frozen=True)
class Line:
    """A reference: the mean over its runs, drawn as a horizontal line."""

    group: dict[str, Any]  # benchmark and settings
    name: str
    value: float  # in the metric's unit
    n_runs: int


@dataclass(frozen=True)
class Results:
    """What was measured and what was made of it; `table` has one row per cell and benchmark."""

    study: Study
    metric: Metric
    table: pd.DataFrame
    curves: tuple[Curve, ...]
    lines: tuple[Line, ...]
    comparisons: tuple[Comparison, ...]
    transfers: tuple[Transfer, ...]
    equivalences: tuple[DataEquivalence, ...]
    variances: Mapping[str, Variance]  # by benchmark, where there are replicates
    targets: tuple[Targets, ...]  # where there are records of single items
    notes: tuple[str, ...]  # about the study as a whole

    @property
    def roles(self) -> dict[str, str]:
        """The benchmarks in the order of the plan, those in domain first, each with its role."""
        roles = dict(zip(self.table["benchmark"], self.table["role"], strict=True))
        return dict(sorted(roles.items(), key=lambda item: item[1] != "in_domain"))

    @property
    def strategies(self) -> list[str]:
        """The strategies that have curves, in the order of the plan."""
        return list(dict.fromkeys(self.table.loc[self.table["reference"].isna(), "strategy"]))

    @property
    def missing(self) -> pd.DataFrame:
        """The rows without a record."""
        return self.table[self.table["state"] == "missing"]

    def settings(self) -> list[dict[str, Any]]:
        """Each combination of the settings that tell curves apart; one empty one without any."""
        names = list(self.study.settings)
        if not names:
            return [{}]
        rows = self.table.loc[self.table["reference"].isna(), names].drop_duplicates()
        return [{name: _plain(row[name]) for name in names} for _, row in rows.iterrows()]

    def lines_at(self, benchmark: str, setting: dict[str, Any]) -> tuple[Line, ...]:
        """The references of a panel: those of its setting, and those outside every curve's setting."""
        known = {name: {each[name] for each in self.settings()} for name in self.study.settings}
        return tuple(
            line
            for line in self.lines
            if line.group["benchmark"] == benchmark
            and all(
                line.group[name] == setting[name] or line.group[name] not in known[name] for name in known
            )
        )


def results_of(study: Study) -> Results:
    """Fit and compare what there is; what there is not is in `missing`."""
    table = tabulate(study)
    metric = METRICS[study.analysis.metric]
    usable = points(table)
    usable = usable[~pd.isna(measured(usable, metric))]
    # Benchmarks in domain first, then as planned: so every list and table is ordered.
    usable = usable.sort_values("role", key=lambda roles: roles != "in_domain", kind="stable")
    curves = tuple(_curves(study, usable, metric))
    comparisons = tuple(adjusted(_comparisons(study, usable, metric)))
    return Results(
        study=study,
        metric=metric,
        table=table,
        curves=curves,
        lines=tuple(_lines(study, table, metric)),
        comparisons=comparisons,
        transfers=tuple(_transfers(study, usable, metric)),
        equivalences=tuple(_equivalences(study, usable, metric)),
        variances=dict(_variances(study, usable, metric)),
        targets=tuple(_targets(study, usable, curves, comparisons)) if metric is ACCURACY else (),
        notes=tuple(_notes(study, table, usable, metric)),
    )


def _grouped(rows: pd.DataFrame, names: list[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    for _, group in rows.groupby(names, sort=False, dropna=False):
        yield {name: _plain(group[name].iloc[0]) for name in names}, group


def _plain(value: Any) -> Any:
    """A value of a column as JSON has it."""
    return value.item() if hasattr(value, "item") else value


def _curves(study: Study, usable: pd.DataFrame, metric: Metric) -> Iterator[Curve]:
    law = LAWS[study.analysis.law]
    for _, part in usable.groupby("benchmark", sort=False):
        for group, rows in _grouped(part, ["benchmark", *study.settings, "strategy"]):
            yield curve(group, runs_of(rows, metric), law, metric)


def _lines(study: Study, table: pd.DataFrame, metric: Metric) -> Iterator[Line]:
    drawn = table[table["reference"].notna() & (table["state"] == "present")]
    drawn = drawn.assign(value=measured(drawn, metric)).dropna(subset="value")
    for group, rows in _grouped(drawn, ["benchmark", *study.settings, "reference"]):
        # The base is one model however many cells ask for it: its records are one.
        values = rows.drop_duplicates("record")["value"]
        name = group.pop("reference")
        yield Line(group, name, float(values.mean()), len(values))


Pairing = tuple[dict[str, Any], tuple[str, str], pd.DataFrame, pd.DataFrame]


def _pairings(study: Study, usable: pd.DataFrame, metric: Metric) -> Iterator[Pairing]:
    """The strategies to be compared, two by two: group, names, and the runs of each."""
    for group, rows in _grouped(usable, ["benchmark", *study.settings]):
        by_strategy = dict(list(rows.groupby("strategy", sort=False)))
        for first, second in combinations(study.analysis.compare, 2):
            if first in by_strategy and second in by_strategy:
                one, other = (side_of(by_strategy[name], metric) for name in (first, second))
                yield group, (first, second), one, other


def _comparisons(study: Study, usable: pd.DataFrame, metric: Metric) -> Iterator[Comparison]:
    yield from (compare(*pairing) for pairing in _pairings(study, usable, metric))


def _equivalences(study: Study, usable: pd.DataFrame, metric: Metric) -> Iterator[DataEquivalence]:
    yield from (data_equivalence(*pairing) for pairing in _pairings(study, usable, metric))


def _transfers(study: Study, usable: pd.DataFrame, metric: Metric) -> Iterator[Transfer]:
    for group, rows in _grouped(usable, [*study.settings, "strategy"]):
        inside, outside = (
            [part for _, part in rows[rows["role"] == role].groupby("benchmark", sort=False)]
            for role in ("in_domain", "out_of_domain")
        )
        for one, other in product(inside, outside):
            names = (str(one["benchmark"].iloc[0]), str(other["benchmark"].iloc[0]))
            yield transfer(group, names, side_of(one, metric), side_of(other, metric))


def _variances(study: Study, usable: pd.DataFrame, metric: Metric) -> Iterator[tuple[str, Variance]]:
    for benchmark, rows in usable.groupby("benchmark", sort=False):
        found = study_variance(study, rows, metric)
        if found is not None:
            yield str(benchmark), found


def _targets(
    study: Study, usable: pd.DataFrame, curves: Iterable[Curve], comparisons: Iterable[Comparison]
) -> Iterator[Targets]:
    for one in curves:
        if one.fit.law.id == LOGLINEAR.id:
            slope = one.fit.parameters["per_doubling"]
            found = slope_targets(study, one.group, _rows_of(usable, one.group), slope)
            yield from () if found is None else (found,)
    for pair in comparisons:
        rows = _rows_of(usable, pair.group)
        sides = (rows[rows["strategy"] == name] for name in (pair.first, pair.second))
        yield from comparison_targets(study, pair, *sides)


def _rows_of(usable: pd.DataFrame, group: Mapping[str, Any]) -> pd.DataFrame:
    """The rows that have the values of a group."""
    same = np.ones(len(usable), dtype=bool)
    for name, value in group.items():
        same &= (usable[name] == value).to_numpy(dtype=bool)
    return usable[same]


def _notes(study: Study, table: pd.DataFrame, usable: pd.DataFrame, metric: Metric) -> Iterator[str]:
    n_missing, n_rows = int((table["state"] == "missing").sum()), len(table)
    if n_missing:
        yield f"{n_missing} of {n_rows} results are missing; they are left out, not counted as zero"
    silent = points(table)
    silent = silent[pd.isna(measured(silent, metric))]
    if len(silent):
        yield f"{len(silent)} records carry no {metric.label.lower()}: set likelihood: true for the benchmark"
    for name in study.analysis.compare:
        if name not in set(usable["strategy"]):
            yield f"{name!r} is to be compared but has no record"
    subsets = usable.groupby("strategy")["subset_seed"].nunique()
    chains = usable.groupby("strategy").apply(
        lambda rows: rows.groupby(["subset_seed", "train_seed"]).ngroups
    )
    if len(subsets) and (subsets < chains).any() and chains.max() >= FEWEST_SUBSETS:
        shared = "one subset seed" if subsets.max() == 1 else f"{subsets.max()} subset seeds"
        yield f"all chains share {shared}: the intervals understate subset luck"
