"""The tidy table of a study: one row per cell and benchmark. Missing is missing, never zero."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.fitting import Runs
from analysis.laws import Floats
from analysis.metric import ACCURACY, POINTS_PER_FRACTION, Metric
from analysis.study import Study
from orchestrator.identity import canonical

COUNTS = (
    *("n_items", "n_samples", "n_correct"),
    *("n_no_answer", "n_truncated", "n_unparsable", "n_grader_timed_out", "n_agree"),
)


# Where hyperparameters are chosen: no result of a study.
VALIDATION = "validation"


def tabulate(study: Study) -> pd.DataFrame:
    """Axes, `benchmark`, `role`, `reference`, `state` (present or missing), counts, `accuracy` (a fraction),
    `nll_per_token` (nats) and the key of the record, in the order of the plan; of tests alone.

    `reference` names the line that a cell is drawn as; it is missing for points of a curve.
    """
    return _table(study, [row for row in _every_row(study) if row["role"] != VALIDATION])


def tabulate_validation(study: Study) -> pd.DataFrame:
    """The same of what was asked to choose hyperparameters."""
    return _table(study, [row for row in _every_row(study) if row["role"] == VALIDATION])


def _every_row(study: Study) -> Iterator[dict[str, Any]]:
    for cell in study.cells:
        yield from _rows(cell, study.manifests)


def _table(study: Study, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    axes = list(dict.fromkeys(name for cell in study.cells for name in cell["axes"]))
    columns = [*axes, "benchmark", "role", "reference", "state", *COUNTS, "nll_per_token", "record"]
    table = pd.DataFrame(rows, columns=columns)
    table[list(COUNTS)] = table[list(COUNTS)].astype("Int64")
    table["nll_per_token"] = table["nll_per_token"].astype("float64")
    accuracy = table["n_correct"].astype("Float64") / n_answers(table).astype("Float64")
    table.insert(len(columns) - 2, "accuracy", accuracy.astype("float64"))
    return table


def n_answers(table: pd.DataFrame) -> pd.Series:
    """How many answers each record graded: of every item equally many samples."""
    return table["n_items"] * table["n_samples"]


def points(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that belong to curves and have a record."""
    return table[table["reference"].isna() & (table["state"] == "present") & (table["amount"] > 0)]


def measured(table: pd.DataFrame, metric: Metric) -> Floats:
    """The metric in its unit; nan where there is no record, or no likelihood in it."""
    if metric is ACCURACY:
        return table["accuracy"].to_numpy(dtype=np.float64) * POINTS_PER_FRACTION
    return table["nll_per_token"].to_numpy(dtype=np.float64)


def runs_of(rows: pd.DataFrame, metric: Metric) -> Runs:
    """The runs of one curve; a chain is a pair of seeds."""
    chains = rows.groupby(["subset_seed", "train_seed"], sort=True).ngroup().to_numpy().astype(np.intp)
    return Runs(
        amounts=rows["amount"].to_numpy(dtype=np.float64),
        values=measured(rows, metric),
        chains=chains,
        labels=[run_label(row) for row in rows.to_dict("records")],
        n_items=rows["n_items"].to_numpy(dtype=np.float64) if metric is ACCURACY else None,
    )


def run_label(row: Mapping[Any, Any]) -> str:
    """What tells one run of a curve from the others."""
    return f"amount {row['amount']}, {seed_text(row['subset_seed'], row['train_seed'])}"


def side_of(rows: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """The runs of one curve as `analysis.pairs` sets them beside those of another; no value, no run."""
    seeds = zip(rows["subset_seed"], rows["train_seed"], strict=True)
    chains = [seed_text(subset, train) for subset, train in seeds]
    side = pd.DataFrame({"amount": rows["amount"].to_numpy(dtype=np.float64), "chain": chains})
    return side.assign(value=measured(rows, metric)).dropna(subset="value")


def seed_text(subset_seed: int, train_seed: int) -> str:
    """A chain in words."""
    if subset_seed == train_seed:
        return f"seed {subset_seed}"
    return f"subset seed {subset_seed}, train seed {train_seed}"


def _rows(cell: Mapping[str, Any], manifests: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for benchmark, key in cell["artifacts"]["record"].items():
        manifest = manifests.get(key or "")
        counted = manifest["summary"] if manifest else {}
        yield {
            **{name: _scalar(value) for name, value in cell["axes"].items()},
            "benchmark": benchmark,
            "role": cell["cell"]["evaluate"]["benchmarks"][benchmark]["role"],
            "reference": cell["reference"],
            "state": "present" if manifest else "missing",
            **{name: counted.get(name) for name in (*COUNTS, "nll_per_token")},
            "record": key,
        }


def _scalar(value: Any) -> Any:
    """An axis may hold lists; a cell of a table may not."""
    return canonical(value) if isinstance(value, list | dict) else value
