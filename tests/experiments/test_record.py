"""A record: every answer with its reason, counts that add up, and what does not fit refused."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.generate import SCHEMA
from experiments.inference.proof import PROOF
from experiments.record import make_record
from experiments.sources import inspect, read
from experiments.text import row_id
from orchestrator.refusal import Refused
from orchestrator.specs import TableSource

PROBLEMS = [("What is a half?", "It is $\\boxed{\\frac{1}{2}}$."), ("Expand.", "So \\boxed{x^2+2x+1}.")]
ANSWERS = [
    # Of each item three samples, and how each ended.
    [("\\boxed{0.5}", "stop"), ("\\boxed{\\frac{1}{2}}", "length"), ("\\boxed{2", "length")],
    [("\\boxed{(x+1)^2}", "stop"), ("\\boxed{x+1}", "stop"), ("\\boxed{9^{9^{9^{9}}}}", "stop")],
]


def silent(done: float, note: str) -> None:
    """Nobody looks."""


def table(folder: Path, problems: list[tuple[str, str]]) -> dict[str, Any]:
    path = folder / "problems.jsonl"
    path.write_text("".join(json.dumps({"problem": one, "solution": two}) + "\n" for one, two in problems))
    return {"kind": "table", "path": str(path), "split": "test", "query": "problem", "response": "solution"}


def recorded(
    folder: Path, answers: list[list[tuple[str, str]]], drop: tuple[str, ...] = (), rule: str = "math"
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A record of the problems, from completions as a stage would have left them."""
    source = table(folder, PROBLEMS)
    digest = inspect(source, "math")["digest"]
    rows = [
        {
            "item_id": row_id(*problem),
            "sample": sample,
            "prompt_sha256": "",
            "completion": completion,
            "n_tokens": 9,
            "finish_reason": ended,
            "nll": 3.0,
            "n_reference_tokens": 6,
        }
        for problem, samples in zip(PROBLEMS, answers, strict=True)
        for sample, (completion, ended) in enumerate(samples)
    ]
    pq.write_table(
        pa.Table.from_pylist(rows, SCHEMA).drop_columns(list(drop)), folder / "completions.parquet"
    )
    if not drop:  # older completions lack both
        (folder / PROOF).write_text(json.dumps({"proof": "swapped in"}))
    spec = {"version": 2, "grader": 2, "answer": rule, "source": {"kind": "table", "digest": digest}}
    summary = make_record(spec, {"completions": folder}, folder, silent, {digest: source})
    assert summary == json.loads((folder / "record.json").read_text())
    return summary, pq.read_table(folder / "items.parquet").to_pylist()


@pytest.mark.slow
def test_a_record_of_several_samples_counts_every_answer(tmp_path: Path) -> None:
    summary, items = recorded(tmp_path, ANSWERS)
    reasons = [item["reason"] for item in items]
    assert reasons == ["correct", "correct", "truncated", "correct", "wrong", "grader timed out"]
    assert [item["exact"] for item in items] == [False, True, False, False, False, False]
    assert [item["sample"] for item in items] == [0, 1, 2, 0, 1, 2]
    counts = Counter(reasons)
    for reason in ("correct", "wrong", "no answer", "truncated", "unparsable", "grader timed out"):
        assert summary[f"n_{reason.replace(' ', '_')}"] == counts[reason]
    assert summary["weights"] == {"proof": "swapped in"}
    shown = {name: summary[name] for name in ("n_items", "n_samples", "n_cut_off", "n_exact", "n_agree")}
    assert shown == {"n_items": 2, "n_samples": 3, "n_cut_off": 2, "n_exact": 1, "n_agree": 4}
    assert summary["pass_at"] == pytest.approx({"1": (2 / 3 + 1 / 3) / 2, "2": (1 + 2 / 3) / 2, "3": 1.0})
    assert summary["maj_at"] == pytest.approx({"3": (1 + 1 / 3) / 2})
    assert summary["consistency"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    # The likelihood is the reference's, whatever was answered how often.
    assert (summary["nll_sum"], summary["n_reference_tokens"], summary["nll_per_token"]) == (6.0, 12, 0.5)


@pytest.mark.slow
def test_older_completions_have_one_sample_and_no_proof_of_their_weights(tmp_path: Path) -> None:
    summary, items = recorded(tmp_path, [samples[:1] for samples in ANSWERS], drop=("sample",))
    assert (summary["n_items"], summary["n_samples"], summary["n_correct"]) == (2, 1, 2)
    assert summary["consistency"] is None
    assert summary["weights"] is None
    assert len(items) == 2


@pytest.mark.parametrize(
    ("answers", "drop"),
    [
        ([ANSWERS[0], ANSWERS[1][:2]], ()),
        ([ANSWERS[0][:1], []], ()),
        (ANSWERS, ("sample",)),
    ],
    ids=["unequal", "an item without", "samples that are not counted"],
)
def test_completions_that_do_not_answer_every_item_equally_often_are_refused(
    tmp_path: Path, answers: list[list[tuple[str, str]]], drop: tuple[str, ...]
) -> None:
    with pytest.raises(Refused, match=r"do not answer the items of .*problems.jsonl"):
        recorded(tmp_path, answers, drop)
    assert not (tmp_path / "record.json").exists()


def test_a_rule_that_cannot_read_a_reference_names_it(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"line 2 of .*problems.jsonl has no numeric reference: 'So "):
        recorded(tmp_path, ANSWERS, rule="gsm8k")


def test_a_benchmark_with_an_item_twice_or_none_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"line 3 of .* repeats the item of line 1"):
        inspect(table(tmp_path, [*PROBLEMS, PROBLEMS[0]]), "math")
    distinct = {**table(tmp_path, [*PROBLEMS, PROBLEMS[0]]), "distinct": True}
    assert inspect(distinct, "math")["n_rows"] == 2
    with pytest.raises(Refused, match="holds no rows"):
        inspect(table(tmp_path, []), "math")


def test_queries_are_put_together_and_rows_chosen_by_pattern(tmp_path: Path) -> None:
    source = {
        **table(tmp_path, PROBLEMS),
        "query": "Q: {problem} ({solution})",
        "where": {"problem": "What.*"},
    }
    problems = read(TableSource(**source))
    assert list(problems.queries) == [f"Q: {PROBLEMS[0][0]} ({PROBLEMS[0][1]})"]
    assert problems.place(0).startswith("line 1 of")
    with pytest.raises(Refused, match=r"none of the 2 rows of .* matches \{'problem': 'x'\}"):
        read(TableSource(**{**source, "where": {"problem": "x"}}))
    with pytest.raises(Refused, match=r"where.problem='\(' is no regular expression"):
        read(TableSource(**{**source, "where": {"problem": "("}}))
    with pytest.raises(Refused, match="has no column 'problems'"):
        read(TableSource(**{**source, "query": "{problems}"}))
