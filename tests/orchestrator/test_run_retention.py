"""Tiny studies with real stages: one that keeps no weights, and one that chooses hyperparameters."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.outcome import made, records
from tests.tiny import OVERRIDES, run_to_its_end

pytestmark = pytest.mark.slow

AXES = ("strategy=queries", "strategy.rows=32", "cluster.workers=1")


def asking(tmp_path: Path, verb: str, benchmarks: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    """A verb on the tiny study that asks only these benchmarks."""
    about_others = [name for name in ("mini_test", "mini_ood") if name not in benchmarks]
    ours = [
        override
        for override in OVERRIDES
        if not any(override.startswith(f"evaluate.benchmarks.{name}.") for name in about_others)
    ]
    command = [sys.executable, "-m", "orchestrator", verb, *ours, *AXES, f"evaluate=[{benchmarks}]"]
    return run_to_its_end([*command, *overrides, f"outputs={tmp_path / 'outputs'}"], tmp_path)


def told(tmp_path: Path, verb: str, study: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A verb that takes a study."""
    command = [sys.executable, "-m", "orchestrator", verb, study, *options]
    return run_to_its_end([*command, "--outputs", str(tmp_path / "outputs")], tmp_path)


def weights(outputs: Path) -> list[str]:
    return sorted(path.parent.name for path in outputs.glob("artifacts/checkpoint/*/model.safetensors"))


def test_evicted_weights_are_announced_and_trained_again_for_a_new_benchmark_alone(tmp_path: Path) -> None:
    outputs, cells = tmp_path / "outputs", ("seed=0", "amount=4,8")
    ran = asking(tmp_path, "run", "mini_test", *cells, "keep=none")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "freed" in ran.stdout
    assert weights(outputs) == []
    before, n_made = records(outputs), len(made(outputs))
    assert json.loads(told(tmp_path, "status", "tiny", "--json").stdout)["n_evicted"] == 2
    plan = asking(tmp_path, "plan", "mini_test,mini_ood", *cells, "keep=largest")
    assert "2 checkpoints whose weights were evicted are trained again for mini_ood" in plan.stdout
    more = asking(tmp_path, "run", "mini_test,mini_ood", *cells, "keep=largest")
    assert more.returncode == 0, more.stdout + more.stderr
    assert len(made(outputs)) == n_made + 2 + 2 + 2, "two trainings, their answers, and the records"
    assert len(weights(outputs)) == 1
    assert {key: value for key, value in records(outputs).items() if key in before} == before
    verified = told(tmp_path, "verify", "tiny")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "1 without their weights" in verified.stdout


def test_hyperparameters_are_chosen_on_held_out_sources_and_reported_as_no_result(tmp_path: Path) -> None:
    sweep = ("data.validation={count: 4}", "train.learning_rate=1e-3,4e-3", "seed=0,1", "amount=8")
    ran = asking(tmp_path, "run", "validation", *sweep)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "`doublings tune tiny` chooses" in ran.stdout
    tuned = told(tmp_path, "tune", "tiny", "--json")
    assert tuned.returncode == 0, tuned.stderr
    found: dict[str, Any] = json.loads(tuned.stdout)
    (choice,) = found["choices"]
    rates = [row["overrides"]["train.learning_rate"] for row in choice["ranked"]]
    assert sorted(rates) == [1e-3, 4e-3]
    assert found["overrides"] == [f"train.learning_rate={rates[0]}"]
    assert told(tmp_path, "report", "tiny").returncode == 2
    leaking = asking(tmp_path, "plan", "validation", "amount=8", "data.validation={share: 0.5}",
                     "evaluate.benchmarks.validation.source.validation={share: 0.2}")  # fmt: skip
    assert leaking.returncode == 2
    assert "sources that data.validation does not hold out of the pools" in leaking.stderr
