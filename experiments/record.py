"""Make a record: what each completion is worth, and the counts."""

import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.grade import Grade, grade, number_text, reference_number
from experiments.sources import Problems, read_hashed
from orchestrator.refusal import Refused


def make_record(
    spec: Mapping[str, Any],
    inputs: Mapping[str, Path],
    into: Path,
    progress: Callable[[float, str], None],
    places: Mapping[str, Any],
) -> dict[str, Any]:
    """Write `items.parquet` and `record.json`, and return what the latter holds.

    Raises Refused where the completions do not answer the items of the benchmark, one for one.
    """
    problems = read_hashed(spec["source"], places)
    completions = pq.read_table(inputs["completions"] / "completions.parquet")
    if completions["item_id"].to_pylist() != list(problems.row_ids):
        raise Refused(
            f"the completions do not answer the items of {problems.name}; remove them and run again"
        )
    references = _references(problems)
    answered = zip(
        completions["completion"].to_pylist(),
        references,
        completions["finish_reason"].to_pylist(),
        strict=True,
    )
    grades = [grade(*answer) for answer in answered]
    items = completions.drop_columns(["completion"])
    for name, values in _columns(problems, references, grades).items():
        items = items.append_column(name, values)
    pq.write_table(items, into / "items.parquet", compression="zstd")
    summary = _summary(spec, items)
    (into / "record.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    progress(1.0, f"{summary['n_correct']} of {summary['n_items']} correct")
    return summary


def _references(problems: Problems) -> list[Fraction]:
    numbers = []
    for index, response in enumerate(problems.responses):
        if (number := reference_number(response)) is None:
            raise Refused(f"{problems.place(index)} has no numeric reference; it must end in '#### <number>'")
        numbers.append(number)
    return numbers


def _columns(problems: Problems, references: list[Fraction], grades: list[Grade]) -> dict[str, pa.Array]:
    return {
        "cluster_id": pa.array(problems.source_ids, pa.string()),
        "reference": pa.array(map(number_text, references), pa.string()),
        "answer": pa.array([grade.answer for grade in grades], pa.string()),
        "correct": pa.array([grade.correct for grade in grades], pa.bool_()),
        "reason": pa.array([grade.reason for grade in grades], pa.string()),
    }


def _summary(spec: Mapping[str, Any], items: pa.Table) -> dict[str, Any]:
    reasons = items["reason"].to_pylist()
    nll_sum = items["nll"].to_pylist()
    with_likelihood = None not in nll_sum
    total = sum(nll_sum) if with_likelihood else None
    n_tokens = sum(items["n_reference_tokens"].to_pylist()) if with_likelihood else None
    return {
        "n_items": len(items),
        "n_correct": reasons.count("correct"),
        "n_no_answer": reasons.count("no answer"),
        "n_truncated": reasons.count("truncated"),
        "nll_per_token": None if total is None or not n_tokens else total / n_tokens,
        "nll_sum": total,
        "n_reference_tokens": n_tokens,
        "answer_rule": spec["answer"],
        "grader_version": spec["grader"],
    }
