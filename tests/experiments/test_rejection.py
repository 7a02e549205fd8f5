"""Rejection sampling: of a fine-tuned model's own answers the right ones, each path once."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.generate import SCHEMA
from experiments.pool import make_pool, size
from experiments.resume import Resumption
from experiments.sources import read_hashed
from orchestrator.refusal import Refused
from tests.experiments.test_pool import Tables

SEEDS = [
    ("a", "Ann has 12 pens and buys 5. How many has she?", "12+5=<<12+5=17>>17\n#### 17"),
    ("b", "Bo has 3 bags of 4 nuts. How many nuts are these?", "3*4=<<3*4=12>>12\n#### 12"),
]
STRATEGY = {
    "kind": "rejection",
    "name": "rejection",
    "paths": 4,
    "temperature": 0.7,
    "top_p": 1.0,
    "sampling_seed": 5,
    "max_new_tokens": 40,
    "stop": [],
    "answer": "gsm8k",
    "subset_seed": 0,
    "train_seed": 0,
    "filters": {"equations": True, "distinct_paths": True},
}
ANSWERS = [
    [
        "5+12=<<5+12=17>>17\n#### 17",
        "5+12 = <<5+12=17>>17 pens\n#### 17",
        "12-5=<<12-5=7>>7\n#### 7",
        "#### 17 ",
    ],
    ["3*4=<<3*4=12>>12\n#### 12", "3*4=<<3*4=11>>11\n#### 12", "twelve", "3*4=<<3*4=12>>12 and so on"],
]


def answered(folder: Path, items: list[str], answers: list[list[str]]) -> Path:
    """Completions as the engine leaves them: the last one was cut off."""
    n = len(answers[0])
    texts = [text for each in answers for text in each]
    ends = ["stop"] * (len(texts) - 1) + ["length"]
    columns = {
        "item_id": [item for item in items for _ in range(n)],
        "sample": list(range(n)) * len(answers),
        "prompt_sha256": ["p"] * len(texts),
        "completion": texts,
        "n_tokens": [9] * len(texts),
        "finish_reason": ends,
        "nll": [None] * len(texts),
        "n_reference_tokens": [None] * len(texts),
    }
    folder.mkdir()
    pq.write_table(pa.table(columns, SCHEMA), folder / "completions.parquet")
    (folder / "weights.json").write_text(json.dumps({"sha256": {"model.safetensors": "f" * 64}}))
    return folder


def made(folder: Path, answers: list[list[str]] = ANSWERS, **changes: Any) -> tuple[dict[str, Any], Path]:
    tables = Tables(folder)
    seed = tables.add(*SEEDS)
    strategy = {**STRATEGY, **changes}
    spec = {"version": 1, "seed": seed, "strategy": strategy, "decontaminate": []}
    items = list(read_hashed(seed, tables.places).row_ids)
    inputs = {"completions": answered(folder / "completions", items, answers)}
    resumption = Resumption(folder / "state", 60.0)
    summary = make_pool(spec, inputs, folder, lambda done, note: None, tables.places, resumption)
    assert size(spec, tables.places) == {"n_rows": 8, "n_sources": 2, "n_queries": 2}
    return summary, folder


def test_right_answers_stay_each_path_once_and_every_loss_has_its_reason(tmp_path: Path) -> None:
    summary, folder = made(tmp_path)
    assert summary["yield"] == {
        "seed": {
            "paths asked": 8,
            "kept": 5,
            "not the known answer": 1,
            "no answer": 1,
            "response cut off": 1,
        }
    }
    assert summary["removed"] == {
        "empty": 0,
        "duplicate": 0,
        "benchmark": 0,
        "same path": 1,
        "wrong equation": 1,
    }
    rows = pq.read_table(folder / "pool.parquet").to_pylist()
    assert [(row["source_id"], row["path"], row["response"]) for row in rows] == [
        ("a", 0, ANSWERS[0][0]),
        ("a", 3, "#### 17"),
        ("b", 0, ANSWERS[1][0]),
    ]
    assert {row["generator"] for row in rows} == {"rejection"}


def test_every_row_says_from_which_weights_it_was_sampled(tmp_path: Path) -> None:
    _, folder = made(tmp_path)
    told = pq.read_table(folder / "provenance.parquet").to_pylist()
    assert [row["response_sample"] for row in told] == [0, 3, 0]
    assert {
        (row["response_temperature"], row["response_seed"], row["response_finish_reason"]) for row in told
    } == {(0.7, 5, "stop")}
    assert len({row["response_revision"] for row in told}) == 1


def test_answers_to_other_problems_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="does not answer the seed problems"):
        made(tmp_path, [each[:3] for each in ANSWERS])


def test_a_model_that_is_never_right_gives_no_pool(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="'rejection' contains nothing but empty rows"):
        made(tmp_path, [["#### 1"] * 4] * 2)
