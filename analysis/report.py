"""The report of a study: computed once, each file written aside and then put in place."""

import io
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.compare import Transfer, comparison_json
from analysis.curve import Curve, as_json, estimate_json
from analysis.drawings import drawings_of, drawn
from analysis.equivalence import equivalence_json
from analysis.figures import FORMATS
from analysis.page import render
from analysis.provenance import Provenance, provenance_of
from analysis.results import Results, results_of
from analysis.study import read_study
from analysis.tables import table_files
from analysis.targets import targets_json
from analysis.words import Answer, answers
from orchestrator.files import write_json, write_text
from orchestrator.refusal import Refused


@dataclass(frozen=True)
class Report:
    """What a report says, and the page that says it."""

    results: Results
    answers: list[Answer]
    summary: dict[str, Any]
    page: Path


def report(study_folder: Path, formats: Sequence[str] = FORMATS) -> Report:
    """Write `report/` of the study in `<outputs>/studies/<name>`, its figures as files of these formats.

    Raises Refused where the folder holds no readable plan or cannot be written.
    """
    results = results_of(read_study(study_folder))
    provenance = provenance_of(results.study)
    told = answers(results)
    folder = results.study.folder.root / "report"
    summary = summarise(results, provenance, told)
    pictures = [drawn(drawing, formats) for drawing in drawings_of(results)]
    csv = results.table.to_csv(index=False, lineterminator="\n")
    page = render(results, provenance, told, pictures, csv)
    try:
        for name, content in ((name, file) for each in pictures for name, file in each.files.items()):
            _write(folder / "figures" / name, content)
        for name, text in table_files(results, provenance).items():
            write_text(folder / "tables" / name, text)
        _write(folder / "results.parquet", _parquet(results.table))
        write_text(folder / "results.csv", csv)
        write_json(folder / "summary.json", summary)
        write_text(folder / "index.html", page)
    except OSError as error:
        raise Refused(
            f"the report cannot be written to {folder} ({error}); free or grant access to it"
        ) from error
    return Report(results, told, summary, folder / "index.html")


def summarise(results: Results, provenance: Provenance, told: list[Answer]) -> dict[str, Any]:
    """The report as one JSON value: fits as `fit --json` has them, and what else the page shows."""
    table, metric = results.table, results.metric
    return {
        "study": results.study.folder.name,
        "plan": results.study.plan,
        "metric": metric.id,
        "unit": metric.unit,
        "n_cells": len(results.study.cells),
        "n_results": len(table),
        "n_missing": len(results.missing),
        "answers": [f"{answer.question} {answer.text}" for answer in told],
        "by_construction": results.study.analysis.by_construction,
        "fits": [_fit_json(curve) for curve in results.curves],
        "references": [
            {**line.group, "reference": line.name, "value": line.value, "n_runs": line.n_runs}
            for line in results.lines
        ],
        "comparisons": [comparison_json(one) for one in results.comparisons],
        "equivalences": [equivalence_json(one) for one in results.equivalences],
        "targets": targets_json(results.targets),
        "transfers": [transfer_json(one) for one in results.transfers],
        "notes": list(results.notes),
        "mixed": list(provenance.mixed),
    }


def _fit_json(curve: Curve) -> dict[str, Any]:
    test = curve.fit.lack_of_fit
    levels = {name: one.level and one.level.value for name, one in curve.fit.parameters.items()}
    tested = test and {"F": test.F, "df": [test.df_between, test.df_within], "p": test.p}
    return {**as_json(curve), "interval": levels, "lack_of_fit": tested}


def transfer_json(one: Transfer) -> dict[str, Any]:
    """A transfer for machines; what could not be estimated is null."""
    return {
        **one.group,
        "in_domain": one.in_domain,
        "out_of_domain": one.out_of_domain,
        "inside": estimate_json(one.inside),
        "outside": estimate_json(one.outside),
        "ratio": estimate_json(one.ratio),
        "notes": list(one.notes),
    }


def _parquet(table: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    return stream.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write aside, then replace, as `orchestrator.files` does for text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
