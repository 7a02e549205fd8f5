"""A study whose training is killed goes on at a saved step, and nobody can tell from its files."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.experiments.interrupting import same_files
from tests.killing import kill
from tests.tiny import ROOT, command, doublings, environment

pytestmark = pytest.mark.slow

ONE_LONG_CELL = (
    "strategy=queries",
    "strategy.rows=32",
    "amount=16",
    "train.budget.value=100",
    "cluster.save_every=0.05",
)


def test_a_study_killed_while_it_trains_goes_on_at_a_saved_step(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    with subprocess.Popen(
        command("run", outputs, *ONE_LONG_CELL),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment(tmp_path),
    ) as run:
        wait_for_a_state_of_fine_tuning(outputs)
        kill("everything", run, tmp_path)
    assert completed(tmp_path) == 1
    assert not list((outputs / "artifacts" / ".states").iterdir())
    (checkpoint,) = (outputs / "artifacts" / "checkpoint").iterdir()
    checkpoint.rename(tmp_path / "resumed")
    for kind in ("completions", "record"):
        shutil.rmtree(outputs / "artifacts" / kind)
    assert completed(tmp_path) == 1, "nothing was left to go on from"
    for folder in (checkpoint, tmp_path / "resumed"):
        (folder / "manifest.json").unlink()  # it holds times
    assert same_files(checkpoint, tmp_path / "resumed")


def completed(tmp_path: Path) -> int:
    """Run the study to its end; how many trainings went on where another had stopped, since the beginning."""
    ran = doublings(tmp_path, "run", *ONE_LONG_CELL)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    logs = (tmp_path / "outputs").glob("studies/*/jobs/*/worker-*.log")
    return sum(log.read_text().count("goes on after step") for log in logs)


def wait_for_a_state_of_fine_tuning(outputs: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        bases = {path.parent.name for path in outputs.glob("artifacts/base/[!.]*/manifest.json")}
        states = {path.parent.name for path in outputs.glob("artifacts/.states/*/*.json")}
        if bases and states - bases:
            return
        time.sleep(0.02)
