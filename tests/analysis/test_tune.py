"""Hyperparameters are chosen on what is held out: the best, how surely, and never on a test."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main
from analysis.report import report
from analysis.study import read_study
from analysis.table import tabulate
from analysis.tune import tune
from orchestrator.refusal import Refused
from orchestrator.settings import Analysis

RATES, AMOUNTS, SEEDS = (1e-4, 5e-4, 1e-3), (64, 256), (0, 1, 2)
LUCK = {0: -4, 1: 0, 2: 4}  # of a seed, the same for every rate: what pairing takes out
# Right of 100, by rate and amount: the best rate falls as data grow.
RIGHT = {
    **{(1e-4, 64): 30, (5e-4, 64): 40, (1e-3, 64): 50},
    **{(1e-4, 256): 50, (5e-4, 256): 66, (1e-3, 256): 60},
}


def a_sweep(outputs: Path, *roles: str, without: tuple[Any, ...] = ()) -> Path:
    """A study on disk with a record for each cell and each benchmark, called by its role."""
    cells, artifacts = [], {}
    for rate in RATES:
        for amount in AMOUNTS:
            for seed in SEEDS:
                keys = {}
                for role in roles:
                    key = keys[role] = f"{role}-{rate}-{amount}-{seed}"
                    spec: dict[str, Any] = {"kind": "record", "spec": {}, "inputs": {}, "places": {}}
                    artifacts[key] = {**spec, "label": "", "cost": {}}
                    if (rate, amount, seed) not in without:
                        publish(
                            outputs, key, RIGHT[rate, amount] + LUCK[seed] + (seed if rate == 1e-3 else 0)
                        )
                axes = {"model": "m", "strategy": "queries", "amount": amount, "subset_seed": seed}
                asked = {role: {"role": role} for role in roles}
                cells.append(
                    {
                        "axes": {**axes, "train_seed": seed, "train.learning_rate": rate},
                        "cell": {"evaluate": {"benchmarks": asked}},
                        "reference": None,
                        "artifacts": {"record": keys},
                    }
                )
    analysis = Analysis(law="loglinear", metric="accuracy", references=(), compare=(), by_construction="")
    plan = {
        "cells": cells,
        "artifacts": artifacts,
        "settings": {"analysis": analysis.model_dump(mode="json")},
    }
    folder = outputs / "studies" / "sweep"
    (folder / "plans").mkdir(parents=True)
    (folder / "plans" / "1.json").write_text(json.dumps(plan))
    return folder


def publish(outputs: Path, key: str, n_correct: int) -> None:
    folder = outputs / "artifacts" / "record" / key
    folder.mkdir(parents=True)
    summary = {"n_items": 100, "n_samples": 1, "n_correct": n_correct, "nll_per_token": 1.0}
    (folder / "manifest.json").write_text(json.dumps({"summary": summary}))


def test_the_best_on_held_out_sources_wins_with_an_interval_over_chains(tmp_path: Path) -> None:
    found = tune(read_study(a_sweep(tmp_path, "validation", "in_domain")), ["model"])
    (choice,) = found.choices
    assert found.benchmarks == ("validation",)
    assert [one.overrides["train.learning_rate"] for one in choice.ranked] == [1e-3, 5e-4, 1e-4]
    # 55 and 4, 0, -4 of luck and 0, 1, 2 of the rate's own: 51, 56, 61, so 56 with t(2) = 4.303 errors.
    assert choice.winner.value.estimate == pytest.approx(56)
    assert choice.winner.value.low == pytest.approx(56 - 4.303 * 5 / 3**0.5, abs=0.01)
    assert choice.lead.estimate == pytest.approx(3)
    assert choice.lead.low == pytest.approx(3 - 4.303 / 3**0.5, abs=0.01)
    assert choice.is_clear
    assert choice.at_edge == ("train.learning_rate",)


def test_each_amount_may_have_hyperparameters_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = a_sweep(tmp_path, "validation")
    found = tune(read_study(folder), ["amount"])
    assert [choice.winner.overrides["train.learning_rate"] for choice in found.choices] == [1e-3, 5e-4]
    monkeypatch.setattr(sys, "argv", ["doublings", "tune", str(folder), "--per", "amount", "--overrides"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert capsys.readouterr().out.split() == [
        "amount=64,256",
        "train.learning_rate=0.001,0.0005",
        "hydra.sweeper.zip=[[amount,train.learning_rate]]",
    ]


def test_a_run_that_one_setting_lacks_counts_for_none(tmp_path: Path) -> None:
    folder = a_sweep(tmp_path, "validation", without=((1e-3, 64, 2), (1e-3, 256, 2)))
    (choice,) = tune(read_study(folder), ["model"]).choices
    assert {one.n_chains for one in choice.ranked} == {2}
    assert choice.n_missing == 2 * len(RATES)


def test_a_study_of_tests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="never chosen on a test"):
        tune(read_study(a_sweep(tmp_path, "in_domain", "out_of_domain")), ["model"])


def test_what_is_held_out_is_no_result(tmp_path: Path) -> None:
    both = tabulate(read_study(a_sweep(tmp_path / "both", "validation", "in_domain")))
    assert set(both["benchmark"]) == {"in_domain"}
    with pytest.raises(Refused, match="`doublings tune sweep` chooses"):
        report(a_sweep(tmp_path / "one", "validation"))
