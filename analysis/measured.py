"""What a study or a table tells about scatter and cost, for planning the next one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.items import items_of
from analysis.laws import Floats
from analysis.metric import METRICS, Metric
from analysis.power import Design
from analysis.prospect import Cost
from analysis.study import Study
from analysis.table import measured, points, tabulate
from analysis.tidy import Group
from analysis.variance import Variance, variance_table
from orchestrator.refusal import Refused

SECONDS_PER_HOUR = 3600.0
PER_EXAMPLE = Cost(0.0, 1.0, "examples trained")


@dataclass(frozen=True)
class Measured:
    """The variance table of one benchmark, the design it came from, and the cost of a run."""

    benchmark: str | None
    metric: Metric
    variance: Variance | None
    design: Design
    cost: Cost


def measured_in_study(study: Study, benchmark: str | None = None) -> Measured:
    """From the records of one benchmark, by default the first in domain.

    Raises Refused where it has none, or the study has no such benchmark.
    """
    metric, rows = METRICS[study.analysis.metric], points(tabulate(study))
    rows = rows[~pd.isna(measured(rows, metric))].sort_values("role", key=lambda roles: roles != "in_domain")
    names = list(dict.fromkeys(rows["benchmark"]))
    if not names:
        raise Refused(f"{study.folder.name} has no records yet: give the scatter with --sd")
    if benchmark is not None and benchmark not in names:
        raise Refused(f"no records of benchmark {benchmark!r}: there are {', '.join(names)}")
    chosen = benchmark or names[0]
    rows = rows[rows["benchmark"] == chosen]
    return Measured(chosen, metric, study_variance(study, rows, metric), _design(rows), _cost(study))


def study_variance(study: Study, rows: pd.DataFrame, metric: Metric) -> Variance | None:
    """The variance table of the rows of one benchmark; with items where the metric is accuracy."""
    curves = rows[["strategy", *study.settings]].astype(str).agg("/".join, axis=1)
    runs = pd.DataFrame(
        {
            "curve": curves.to_numpy(),
            "amount": rows["amount"].to_numpy(),
            "subset": rows["subset_seed"].to_numpy(),
            "train": rows["train_seed"].to_numpy(),
            "value": measured(rows, metric),
        }
    )
    found = items_of(study, list(rows["record"])) if metric.id == "accuracy" else None
    return variance_table(runs, None if found is None else list(found.correct))


def measured_in_table(groups: Sequence[Group], metric: Metric) -> Measured:
    """From the groups of a plain table: seeds are one, whatever they moved."""
    parts = []
    for place, group in enumerate(groups):
        runs = group.runs
        seeds = np.arange(len(runs.values)) if runs.chains is None else runs.chains
        parts.append(
            pd.DataFrame(
                {
                    "curve": place,
                    "amount": runs.amounts,
                    "subset": seeds,
                    "train": seeds,
                    "value": runs.values,
                }
            )
        )
    rows = pd.concat(parts, ignore_index=True)
    seeds_at_each = max(group.runs.n_seeds for group in groups)
    design = Design(tuple(np.unique(rows["amount"]).tolist()), seeds_at_each)
    return Measured(None, metric, variance_table(rows), design, PER_EXAMPLE)


def _design(rows: pd.DataFrame) -> Design:
    amounts = tuple(float(amount) for amount in sorted(rows["amount"].unique()))
    chains = rows.groupby("strategy").apply(lambda each: each.groupby(["subset_seed", "train_seed"]).ngroups)
    return Design(amounts, int(chains.max()))


def _cost(study: Study) -> Cost:
    """Hours of a checkpoint, its completions and records as measured, a straight line in the amount."""
    amounts, hours = [], []
    for cell in study.cells:
        spent = _hours(cell, study.manifests)
        if spent is not None and cell["axes"]["amount"]:
            amounts.append(float(cell["axes"]["amount"]))
            hours.append(spent)
    if len(set(amounts)) < 2:
        return PER_EXAMPLE
    design = np.column_stack([np.ones(len(amounts)), amounts])
    fixed, per_example = _not_negative(design, np.array(hours))
    return Cost(fixed, per_example, "hours of one worker") if fixed + per_example > 0 else PER_EXAMPLE


def _not_negative(design: Floats, hours: Floats) -> tuple[float, float]:
    fixed, per_example = (float(value) for value in np.linalg.lstsq(design, hours, rcond=None)[0])
    if per_example < 0:
        return float(hours.mean()), 0.0
    if fixed < 0:
        return 0.0, float(design[:, 1] @ hours / (design[:, 1] @ design[:, 1]))
    return fixed, per_example


def _hours(cell: Mapping[str, Any], manifests: Mapping[str, Mapping[str, Any]]) -> float | None:
    """What was spent on a cell; None where it is not complete."""
    artifacts = cell["artifacts"]
    keys = [artifacts["checkpoint"], *artifacts["completions"].values(), *artifacts["record"].values()]
    notes = [manifests[key].get("provenance", {}) for key in keys if key in manifests]
    if len(notes) < len(keys):
        return None
    seconds = [note.get("gpu_seconds") or note.get("seconds") for note in notes]
    return sum(second for second in seconds if second) / SECONDS_PER_HOUR if any(seconds) else None
