"""Make a record: what each completion is worth, and the counts."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.grading.batch import Answered, Reference, complaint, grade_all, reference_of
from experiments.grading.samples import together
from experiments.grading.verdict import REASONS, Verdict
from experiments.inference.proof import PROOF
from experiments.sources import Problems, read_hashed
from orchestrator.refusal import Refused
from orchestrator.specs import AnswerRule


def make_record(
    spec: Mapping[str, Any],
    inputs: Mapping[str, Path],
    into: Path,
    progress: Callable[[float, str], None],
    places: Mapping[str, Any],
) -> dict[str, Any]:
    """Write `items.parquet` and `record.json`, and return what the latter holds.

    It says by which proof the answers are those of its weights.

    Raises Refused where the completions do not answer the items of the benchmark, each equally often.
    """
    problems = read_hashed(spec["source"], places)
    completions = pq.read_table(inputs["completions"] / "completions.parquet")
    n_samples = _n_samples(completions, problems)
    references = [one for one in _references(problems, spec["answer"]) for _ in range(n_samples)]
    verdicts = grade_all(
        [
            Answered(*answer)
            for answer in zip(
                completions["completion"].to_pylist(),
                references,
                completions["finish_reason"].to_pylist(),
                strict=True,
            )
        ],
        lambda n_graded: progress(n_graded / len(references), f"answer {n_graded} of {len(references)}"),
    )
    items = completions.drop_columns(["completion"])
    clusters = [cluster for cluster in problems.source_ids for _ in range(n_samples)]
    for name, values in _columns(clusters, references, verdicts).items():
        items = items.append_column(name, values)
    pq.write_table(items, into / "items.parquet", compression="zstd")
    weights = _proof(inputs["completions"])
    summary = {**_summary(spec, items, verdicts, n_samples), "weights": weights}
    (into / "record.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    progress(1.0, f"{summary['n_correct']} of {len(verdicts)} correct")
    return summary


def _proof(completions: Path) -> dict[str, Any] | None:
    """By which proof the answers are those of their weights; older completions have none."""
    path = completions / PROOF
    if not path.exists():
        return None
    proof: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return proof


def _n_samples(completions: pa.Table, problems: Problems) -> int:
    """Of each item: its samples follow one another, counted from 0. Without that column there is one."""
    n_samples = max(len(completions) // len(problems), 1)
    wanted = [item for item in problems.row_ids for _ in range(n_samples)]
    if "sample" in completions.column_names:
        numbers = list(range(n_samples)) * len(problems)
        right = completions["sample"].to_pylist() == numbers
    else:
        right = n_samples == 1
    if not right or completions["item_id"].to_pylist() != wanted:
        raise Refused(
            f"the completions do not answer the items of {problems.name}; remove them and run again"
        )
    return n_samples


def _references(problems: Problems, rule: AnswerRule) -> list[Reference]:
    references = []
    for index, response in enumerate(problems.responses):
        if (reference := reference_of(rule, response)) is None:
            raise Refused(complaint(rule, problems.place(index), response))
        references.append(reference)
    return references


def _columns(
    clusters: Sequence[str], references: Sequence[Reference], verdicts: Sequence[Verdict]
) -> dict[str, pa.Array]:
    return {
        "cluster_id": pa.array(clusters, pa.string()),
        "reference": pa.array([reference.shown for reference in references], pa.string()),
        "answer": pa.array([_storable(verdict.answer) for verdict in verdicts], pa.string()),
        "correct": pa.array([verdict.correct for verdict in verdicts], pa.bool_()),
        "reason": pa.array([verdict.reason for verdict in verdicts], pa.string()),
        "exact": pa.array([verdict.exact for verdict in verdicts], pa.bool_()),
    }


def _storable(answer: str | None) -> str | None:
    """Parquet holds no half characters."""
    return None if answer is None else answer.encode(errors="replace").decode()


def _summary(
    spec: Mapping[str, Any], items: pa.Table, verdicts: Sequence[Verdict], n_samples: int
) -> dict[str, Any]:
    reasons = items["reason"].to_pylist()
    starts = range(0, len(verdicts), n_samples)
    return {
        "n_items": len(starts),
        "n_samples": n_samples,
        "n_correct": reasons.count("correct"),
        **{
            f"n_{reason.replace(' ', '_')}": reasons.count(reason)
            for reason in REASONS
            if reason != "correct"
        },
        "n_cut_off": items["finish_reason"].to_pylist().count("length"),
        "n_exact": sum(verdict.exact for verdict in verdicts),
        "n_agree": sum(verdict.correct == verdict.exact for verdict in verdicts),
        **_shares([verdicts[start : start + n_samples] for start in starts]),
        **_likelihood(items.take(list(starts))),
        "answer_rule": spec["answer"],
        "grader_version": spec["grader"],
    }


def _shares(items: Sequence[Sequence[Verdict]]) -> dict[str, Any]:
    shares = together(items)
    # JSON has no keys but text.
    by_k = {"pass_at": shares.pass_at, "maj_at": shares.maj_at}
    return {name: {str(k): share for k, share in found.items()} for name, found in by_k.items()} | {
        "consistency": shares.consistency
    }


def _likelihood(items: pa.Table) -> dict[str, Any]:
    """Of the reference solutions, each counted once: what was answered makes no difference to it."""
    nll_sum = items["nll"].to_pylist()
    with_likelihood = None not in nll_sum
    total = sum(nll_sum) if with_likelihood else None
    n_tokens = sum(items["n_reference_tokens"].to_pylist()) if with_likelihood else None
    return {
        "nll_per_token": None if total is None or not n_tokens else total / n_tokens,
        "nll_sum": total,
        "n_reference_tokens": n_tokens,
    }
