"""The report of a study: computed once, each file written aside and then put in place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.compare import Transfer, comparison_json
from analysis.curve import Curve, as_json
from analysis.drawings import drawings_of, drawn
from analysis.equivalence import equivalence_json
from analysis.figures import FORMATS
from analysis.files import parquet, write_bytes
from analysis.least_squares import estimate_json
from analysis.page import render
from analysis.provenance import Provenance, provenance_of
from analysis.results import Results, results_of
from analysis.study import read_study
from analysis.tables import table_files
from analysis.targets import targets_json
from analysis.verdict import verdict_json
from analysis.words import Answer, answers
from orchestrator import validation
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
    study = read_study(study_folder)
    if validation.only(study.cells):
        raise Refused(
            f"study '{study.folder.name}' asks no test, and what is held out for validation is no result: "
            f"`doublings tune {study.folder.name}` chooses hyperparameters on it"
        )
    results = results_of(study)
    provenance = provenance_of(results.study)
    told = answers(results)
    folder = results.study.folder.root / "report"
    summary = summarise(results, provenance, told)
    pictures = [drawn(drawing, formats) for drawing in drawings_of(results)]
    csv = results.table.to_csv(index=False, lineterminator="\n")
    page = render(results, provenance, told, pictures, csv)
    try:
        for name, content in ((name, file) for each in pictures for name, file in each.files.items()):
            write_bytes(folder / "figures" / name, content)
        for name, text in table_files(results, provenance).items():
            write_text(folder / "tables" / name, text)
        write_bytes(folder / "results.parquet", parquet(results.table))
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
        "fits": [
            {**_fit_json(curve), "verdict": verdict_json(found)}
            for curve, found in zip(results.curves, results.verdicts, strict=True)
        ],
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
