import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.study import StudyFolder, save_plan
from tests.tiny import doublings

# Each starts the whole program.
pytestmark = pytest.mark.slow

ROWS = ("strategy.rows=32", "seed=0")
QUERIES = ("strategy=queries", *ROWS)


def planned(tmp_path: Path, *overrides: str) -> dict[str, Any]:
    ran = doublings(tmp_path, "plan", "format=json", *overrides)
    assert ran.returncode == 0, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


def test_two_ways_to_write_one_amount_are_one_cell(tmp_path: Path) -> None:
    cells = planned(tmp_path, *QUERIES, "amount=8,16,0.5")["cells"]
    assert [cell["axes"]["amount"] for cell in cells] == [8, 16]


def test_two_strategies_of_one_name_are_refused(tmp_path: Path) -> None:
    ran = doublings(tmp_path, "plan", *ROWS, "strategy=queries,responses", "strategy.name=same", "amount=8")
    assert ran.returncode == 2
    assert "strategy=same" in ran.stderr
    assert "names of their own" in ran.stderr


def test_a_total_amount_stands_on_the_axis_and_the_subset_has_the_rest(tmp_path: Path) -> None:
    document = planned(tmp_path, *QUERIES, "amount=20", "subset.with_seed=true", "subset.axis=total")
    (cell,) = document["cells"]
    assert cell["axes"]["amount"] == 20
    checkpoint = document["artifacts"][cell["artifacts"]["checkpoint"]]
    assert checkpoint["spec"]["subset"]["n"] == 8
    assert set(checkpoint["inputs"]) == {"base", "pool", "seed"}


def test_the_seed_set_alone_is_the_same_artifact_however_it_is_asked_for(tmp_path: Path) -> None:
    riding = planned(tmp_path, *QUERIES, "amount=0", "subset.with_seed=true")["cells"][0]
    alone = planned(tmp_path, "strategy=seed", "amount=1.0")["cells"]
    assert riding["reference"] == "seed"
    assert riding["artifacts"]["checkpoint"] == alone[0]["artifacts"]["checkpoint"]


def test_where_and_how_a_study_runs_changes_no_key(tmp_path: Path) -> None:
    here = planned(tmp_path, *QUERIES, "amount=8")
    there = planned(tmp_path, *QUERIES, "amount=8", "cluster.workers=7", "cluster.threads=3")
    assert set(here["artifacts"]) == set(there["artifacts"])


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("model.n_heads=3", "model.n_heads=3"),
        ("model.tokenizer=bpe", "model.vocabulary"),
        ("model.pretrain=null", "train.rehearsal=0"),
    ],
)
def test_settings_that_cannot_be_together_are_refused(tmp_path: Path, override: str, sentence: str) -> None:
    # Where it is null, the tiny study's own overrides of `model.pretrain` come before, and lose.
    ran = doublings(tmp_path, "plan", *QUERIES, "amount=8", override)
    assert ran.returncode == 2, ran.stdout
    assert sentence in ran.stderr


def test_a_plan_is_written_again_when_its_data_moved_and_only_then(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path, "moving")

    def a_plan(place: str) -> dict[str, Any]:
        return {
            "settings": {"analysis": {}},
            "cells": [{"axes": {"amount": 1}, "cell": {}, "reference": None, "artifacts": {}}],
            "artifacts": {"k": {"spec": {}, "places": {"digest": {"path": place}}}},
        }

    assert save_plan(study, a_plan("/old")) == (1, None)
    assert save_plan(study, a_plan("/old")) == (1, None)
    number, replaced = save_plan(study, a_plan("/new"))
    assert number == 2
    assert replaced is not None
    assert sorted(path.name for path in study.plans.iterdir()) == ["1.json", "2.json"]


def test_a_prompt_of_its_own_reaches_the_completions_of_that_benchmark_alone(tmp_path: Path) -> None:
    own = planned(tmp_path, *QUERIES, "amount=8", "evaluate.benchmarks.mini_ood.prompt='Q: {query} A:'")
    prompts = {
        spec["source"]["part"]: spec["prompt"]
        for spec in (one["spec"] for one in own["artifacts"].values() if one["kind"] == "completions")
    }
    assert prompts == {"test": "{query} ->", "ood": "Q: {query} A:"}
    without = doublings(tmp_path, "plan", *QUERIES, "amount=8", "evaluate.benchmarks.mini_ood.prompt=answer")
    assert without.returncode == 2
    assert "prompt" in without.stderr
