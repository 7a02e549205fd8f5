"""From a number back to what it was counted from: each run of a curve, its row and its record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.curve import Curve
from analysis.metric import ACCURACY
from analysis.numerals import NOTHING, number
from analysis.results import Results
from analysis.table import run_label, seed_text
from orchestrator.identity import digest

RECORDS = "../../../artifacts/record"  # from the folder of the page
PERCENT_DECIMALS, NLL_DECIMALS = 2, 4


@dataclass(frozen=True)
class Trace:
    """One run as a reader is told of it, and where in the page its row is."""

    text: str
    anchor: str


@dataclass(frozen=True)
class Source:
    """The records behind one mean, at `anchor` in the page: for each its key and a row of texts."""

    anchor: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def traces(results: Results, curve: Curve) -> list[Trace]:
    """One for each run of the curve, in the order of its fit."""
    rows = results.table[results.table["reference"].isna() & (results.table["state"] == "present")]
    for name, value in curve.group.items():
        rows = rows[rows[name] == value]
    by_label = {run_label(row): row for row in rows.to_dict("records")}
    who = ", ".join(str(value) for name, value in curve.group.items() if name != "benchmark")
    unit = "%" if curve.metric is ACCURACY else curve.metric.unit
    told = []
    for label, value in zip(curve.fit.runs.labels, curve.fit.runs.values.tolist(), strict=True):
        row = by_label[label]
        shown = f"{number(value, curve.metric.decimals)} {unit} on {curve.group['benchmark']}"
        counts = f"{row['n_correct']:,} of {row['n_items']:,} correct"
        told.append(Trace(f"{who}, {label}: {shown}, {counts}", record_anchor(row["record"])))
    return told


def record_anchor(record: str) -> str:
    """The place in the page of one record."""
    return f"record-{record}"


def source_head(results: Results) -> tuple[str, ...]:
    """The columns of the rows of sources; a record's key follows them."""
    names = ("benchmark", *results.study.settings, "strategy", "amount", "seeds")
    return (*names, "correct", "answers", "accuracy", "NLL per token", "no answer", "truncated")


def sources(results: Results) -> list[Source]:
    """Every record of the study, in the order of the plan, those behind one mean together."""
    present = results.table[results.table["state"] == "present"]
    groups = present.groupby(_names(results), sort=False, dropna=False)
    return [_source(rows, results) for _, rows in groups]


def anchor(row: Mapping[Any, Any], results: Results) -> str:
    """The place in the page of the records that share everything but their seeds with this one."""
    return f"mean-{digest([str(row[name]) for name in _names(results)])[:12]}"


def _names(results: Results) -> list[str]:
    return ["benchmark", *results.study.settings, "strategy", "reference", "amount"]


def _source(rows: pd.DataFrame, results: Results) -> Source:
    rows = rows.drop_duplicates("record")
    cells = tuple((str(row["record"]), _cells(row, results)) for _, row in rows.iterrows())
    return Source(anchor(rows.iloc[0].to_dict(), results), cells)


def _cells(row: "pd.Series[Any]", results: Results) -> tuple[str, ...]:
    name = row["strategy"] if pd.isna(row["reference"]) else row["reference"]
    likelihood = row["nll_per_token"]
    return (
        *(str(row["benchmark"]), *(str(row[setting]) for setting in results.study.settings), str(name)),
        *(f"{row['amount']:,}", seed_text(row["subset_seed"], row["train_seed"])),
        *(
            f"{row['n_correct']:,}",
            f"{row['n_items'] * row['n_samples']:,}",
            f"{100 * row['accuracy']:.{PERCENT_DECIMALS}f} %",
        ),
        NOTHING if pd.isna(likelihood) else number(float(likelihood), NLL_DECIMALS),
        *(str(row["n_no_answer"]), str(row["n_truncated"])),
    )
