"""The verbs that interfere with a study: cancel ends its jobs, retry gives what failed another try."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.killing import wait_for_a_lease
from tests.tiny import ROOT, command, doublings, environment, run_to_its_end

pytestmark = pytest.mark.slow

SMALL = ("strategy=queries", "strategy.rows=32", "amount=8", "study=small")


def verb(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    outputs = ("--outputs", str(tmp_path / "outputs"))
    return run_to_its_end([sys.executable, "-m", "orchestrator", *arguments, *outputs], tmp_path)


def test_a_study_that_is_cancelled_saves_what_is_in_hand_and_retry_goes_on(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("run", tmp_path / "outputs", *SMALL, "train.budget.value=4000"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment(tmp_path),
    ) as run:
        wait_for_a_lease(tmp_path / "outputs", run)  # type: ignore[arg-type]
        cancelled = verb(tmp_path, "cancel", "small")
        assert cancelled.returncode == 0, cancelled.stdout + cancelled.stderr
        said, _ = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "cancelled; `doublings retry small` goes on" in said
    assert verb(tmp_path, "status", "small").returncode == 1
    again = doublings(tmp_path, "run", *SMALL)
    assert again.returncode == 0, again.stdout + again.stderr


def test_retry_runs_what_failed_once_more_with_the_settings_of_the_last_run(tmp_path: Path) -> None:
    ran = doublings(tmp_path, "run", *SMALL, "train.learning_rate=5e-4,1e30", "cluster.workers=1")
    assert ran.returncode == 1
    attempts = [path.read_text() for path in (tmp_path / "outputs/artifacts/.attempts").iterdir()]
    assert len(attempts) == 1
    again = verb(tmp_path, "retry", "small", "train.learning_rate=1e30")
    assert again.returncode == 1
    assert "1 failed artifacts of 'small' get another try" in again.stdout, again.stdout + again.stderr
    assert "1 of 2 cells complete" in again.stdout
    notes = sorted((tmp_path / "outputs/studies/small/jobs").glob("*/note.json"))
    assert len(notes) == 2
    assert '"workers": 1' in notes[-1].read_text()
    none = verb(tmp_path, "retry", "small", "amount=9")
    assert none.returncode == 2
