"""Rejection sampling: what a fine-tuned model itself answers right to the seed problems."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from experiments.grading.batch import Answered, grade_all, reference_of
from experiments.inference.proof import PROOF
from experiments.llm.augment import SEED, Written, Yields
from experiments.sources import Problems
from orchestrator.identity import digest
from orchestrator.refusal import Refused
from orchestrator.strategies import RejectionStrategy

KEPT = "kept"
# What verdicts are called where the answers of other models are counted.
_LOSSES = {"correct": KEPT, "wrong": "not the known answer", "truncated": "response cut off"}


def right_answers(
    strategy: RejectionStrategy, problems: Problems, completions: Path, yields: Yields
) -> Iterator[Written]:
    """The right ones in the order of the seed problems; `yields` is filled while they are drawn.

    Raises Refused where the completions do not answer these problems so often.
    """
    answers = pq.read_table(completions / "completions.parquet").to_pylist()
    of_items = [index for index in range(len(problems)) for _ in range(strategy.paths)]
    if [answer["item_id"] for answer in answers] != [problems.row_ids[index] for index in of_items]:
        raise Refused(f"{completions} does not answer the seed problems; remove it and run again")
    described = _described(strategy, completions)
    verdicts = _verdicts(strategy, problems, answers, of_items)
    for index, answer, verdict in zip(of_items, answers, verdicts, strict=True):
        yields[SEED].update({"paths asked": 1, verdict: 1})
        if verdict == KEPT:
            query, response = problems.queries[index], answer["completion"].strip()
            how = {"response_prompt": answer["prompt_sha256"], "response_sample": answer["sample"]}
            told = {**described, **how, "response_finish_reason": answer["finish_reason"]}
            yield Written(problems.source_ids[index], SEED, answer["sample"], query, response, told)


def _verdicts(
    strategy: RejectionStrategy, problems: Problems, answers: list[dict[str, Any]], of_items: list[int]
) -> list[str]:
    """What becomes of each answer; a problem whose own answer cannot be read tells nothing of others."""
    references = [reference_of(strategy.answer, response) for response in problems.responses]
    given = {
        place: Answered(answer["completion"], reference, answer["finish_reason"])
        for place, (index, answer) in enumerate(zip(of_items, answers, strict=True))
        if (reference := references[index]) is not None
    }
    found = dict(zip(given, grade_all(list(given.values())), strict=True))
    return [
        _LOSSES.get(found[place].reason, found[place].reason) if place in found else "no known answer"
        for place in range(len(answers))
    ]


def _described(strategy: RejectionStrategy, completions: Path) -> dict[str, Any]:
    proof = json.loads((completions / PROOF).read_text(encoding="utf-8"))
    return {
        "response_model": "the fine-tuned model",
        "response_revision": digest(proof["sha256"]),
        "response_temperature": strategy.temperature,
        "response_top_p": strategy.top_p,
        "response_max_tokens": strategy.max_new_tokens,
        "response_seed": strategy.sampling_seed,
    }
