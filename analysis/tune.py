"""Which hyperparameters did best on held-out sources, and how surely better than the next ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.least_squares import Estimate, Level, t_interval
from analysis.metric import METRICS, Metric
from analysis.study import RUN_AXES, Study
from analysis.table import measured, seed_text, tabulate_validation
from orchestrator.refusal import Refused

# What a choice may be made for; everything else that varies is a hyperparameter.
KNOWN = ("model", "strategy", *RUN_AXES)


@dataclass(frozen=True)
class Setting:
    """One combination of hyperparameters, and how it did: the mean over chains."""

    overrides: Mapping[str, Any]
    value: Estimate
    n_chains: int


@dataclass(frozen=True)
class Choice:
    """The winner of a group, all settings from the best to the worst, and the lead over the second."""

    group: Mapping[str, Any]
    ranked: tuple[Setting, ...]
    lead: Estimate  # of the first over the second in the metric's unit, chain by chain; positive is better
    n_missing: int  # runs that some setting lacks, and which count for none
    at_edge: tuple[str, ...]  # hyperparameters whose winner is the least or the largest that was tried

    @property
    def winner(self) -> Setting:
        """The best."""
        return self.ranked[0]

    @property
    def is_clear(self) -> bool:
        """Whether the interval of the lead is above 0."""
        return self.lead.low is not None and self.lead.low > 0


@dataclass(frozen=True)
class Tuning:
    """The choices of a study, and what they were made on."""

    metric: Metric
    hyperparameters: tuple[str, ...]
    benchmarks: tuple[str, ...]
    choices: tuple[Choice, ...]


def tune(study: Study, per: Sequence[str]) -> Tuning:
    """Choose for each combination of the axes in `per`.

    Raises Refused where nothing was asked of held-out sources, where no hyperparameter varies, and where no
    run is there for all settings: a choice is never made on a test.
    """
    table = tabulate_validation(study)
    if table.empty:
        raise Refused(
            f"study '{study.folder.name}' has no benchmark of role validation, and hyperparameters are never "
            "chosen on a test: sweep them with data.validation={share: 0.2} evaluate=[validation]"
        )
    if unknown := [name for name in per if name not in KNOWN[:3]]:
        raise Refused(f"--per {unknown[0]} is not possible: choose for each of {', '.join(KNOWN[:3])}")
    names = [name for name in study.settings if name not in KNOWN]
    if not names:
        raise Refused(
            f"study '{study.folder.name}' varies no hyperparameter: make one an axis, such as "
            "train.learning_rate=1e-4,5e-4"
        )
    metric = METRICS[study.analysis.metric]
    runs = table[table["reference"].isna()].assign(value=lambda rows: measured(rows, metric))
    choices = tuple(_choice(group, rows, names, metric) for group, rows in _grouped(runs, per))
    return Tuning(metric, tuple(names), tuple(dict.fromkeys(runs["benchmark"])), choices)


def _grouped(runs: pd.DataFrame, names: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    if not names:
        yield {}, runs
        return
    for _, rows in runs.groupby(list(names), sort=False, dropna=False):
        yield {name: _plain(rows[name].iloc[0]) for name in names}, rows


def _choice(group: Mapping[str, Any], rows: pd.DataFrame, names: list[str], metric: Metric) -> Choice:
    chains = [seed_text(*pair) for pair in zip(rows["subset_seed"], rows["train_seed"], strict=True)]
    run = ["model", "strategy", "amount", "benchmark", "chain"]
    wide = rows.assign(chain=chains).pivot(index=run, columns=names, values="value")
    complete = wide.dropna()
    if complete.empty:
        where = " ".join(f"{name}={value}" for name, value in group.items()) or "any group"
        raise Refused(
            f"no run of {where} is complete for every setting of {', '.join(names)}: run the study on"
        )
    by_chain = complete.groupby("chain").mean()  # (chains, settings)
    settings = [
        Setting(_overrides(names, column), _mean(by_chain[column].to_numpy()), len(by_chain))
        for column in by_chain.columns
    ]
    ranked = sorted(settings, key=lambda one: -metric.better * (one.value.estimate or 0.0))
    places = {
        str(one.overrides): by_chain[column] for one, column in zip(settings, by_chain.columns, strict=True)
    }
    first, second = (places[str(one.overrides)] for one in (ranked[0], ranked[min(1, len(ranked) - 1)]))
    lead = _mean(metric.better * (first - second).to_numpy())
    edges = tuple(name for name in names if _at_edge(ranked[0].overrides[name], rows[name]))
    return Choice(group, tuple(ranked), lead, int(wide.size - complete.size), edges)


def _overrides(names: Sequence[str], column: Any) -> dict[str, Any]:
    values = column if isinstance(column, tuple) else (column,)
    return {name: _plain(value) for name, value in zip(names, values, strict=True)}


def _mean(values: Any) -> Estimate:
    """Over chains, with Student's t; no interval from one chain."""
    n = len(values)
    error = float(np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return t_interval(float(np.mean(values)), error, n - 1.0, Level.CHAIN)


def _at_edge(value: Any, tried: pd.Series) -> bool:
    """Of numbers, where at least three were tried: something further out may be better still."""
    distinct = sorted(set(tried))
    return isinstance(value, int | float) and len(distinct) > 2 and value in (distinct[0], distinct[-1])


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
