"""Who is blamed for what a job of a cluster left unmade."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from orchestrator import autopsy, slurm
from orchestrator.identity import Artifact
from orchestrator.ledger import Ledger
from orchestrator.note import stop_file
from orchestrator.pace import declared
from orchestrator.queued import Known
from orchestrator.saved import Saved
from orchestrator.study import StudyFolder
from orchestrator.submissions import Submission, write
from tests.tiny import RESOURCES, SLURM

JOB = "7"


class Case:
    """An array of one element that is to make `first`, then `second`; what is known of its end."""

    def __init__(self, outputs: Path) -> None:
        study = StudyFolder(outputs, "s")
        artifacts = {name: Artifact("pool", name, {}, {}, label=name) for name in ("first", "second")}
        self.saved = Saved(study, Ledger.at(outputs), 1, {}, artifacts, declared(1e9), {})
        self.submission: Submission = write(study.jobs("run"), RESOURCES, [list(artifacts)])
        self.submission.taken(JOB)

    def begins(self, monkeypatch: pytest.MonkeyPatch, *in_hand: str) -> None:
        """A worker comes to run, and takes these in hand."""
        folder = self.submission.folder
        (folder.parent / f"worker-{folder.name}-0-99.log").touch()
        monkeypatch.setenv("SLURM_ARRAY_JOB_ID", JOB)
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
        for key in in_hand:
            assert self.saved.ledger.leases.claim(key, {})

    def says(self, text: str) -> None:
        (self.submission.folder / f"{JOB}_0_0_log.out").write_text(text)

    def examined(self, state: str | None) -> dict[str, str]:
        """Causes by key, once its end is looked into twice; None where the queue does not show it."""
        shown = {} if state is None else {f"{JOB}_0": self._entry(state)}
        for _ in range(2):
            array = Known(self.submission, JOB, shown)
            autopsy.examine(autopsy.Remains(self.saved, SLURM, [array], set()))
        attempts = self.saved.ledger.attempts
        causes = {key: [attempt["cause"] for attempt in attempts.of(key)] for key in self.saved.artifacts}
        assert all(len(each) <= 1 for each in causes.values()), "blamed twice"
        return {key: each[0] for key, each in causes.items() if each}

    def _entry(self, state: str) -> slurm.Entry:
        name = self.submission.job_name
        return slurm.Entry(JOB, (0,), state, "u", 0, "main", "n2", "None", name)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Slurm's accounting tells nothing, unless a test has it tell."""

    def nothing(*_: object) -> dict[str, slurm.Ended]:
        raise slurm.SlurmSilent("no accounting")

    monkeypatch.setattr(slurm, "ended", nothing)
    return Case(tmp_path)


@pytest.mark.parametrize(
    ("state", "cause"),
    [("NODE_FAIL", "node failed"), ("TIMEOUT", "time limit"), ("FAILED", "lost"), ("CANCELLED", "cancelled")],
)
def test_what_was_in_hand_is_blamed_with_the_state(
    case: Case, monkeypatch: pytest.MonkeyPatch, state: str, cause: str
) -> None:
    case.begins(monkeypatch, "second")
    assert case.examined(state) == {"second": cause}
    assert not case.submission.open


def test_a_job_that_runs_is_left_alone(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.begins(monkeypatch, "first")
    assert case.examined("RUNNING") == {}
    assert case.submission.open


def test_a_worker_that_found_its_inputs_missing_is_not_blamed(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.begins(monkeypatch)
    assert case.examined("COMPLETED") == {}
    assert not case.submission.open


def test_a_job_that_is_gone_without_a_worker_counts_as_a_try(case: Case) -> None:
    case.says("bash: python: command not found")
    assert case.examined(None) == {"first": "lost"}
    assert not case.submission.open


def test_a_job_that_is_gone_but_gives_signs_of_life_goes_on(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.begins(monkeypatch, "first")
    assert case.examined(None) == {}
    assert case.submission.open


def test_a_node_on_which_a_job_left_no_log_is_to_be_avoided(case: Case) -> None:
    assert case.examined("FAILED") == {"first": "node failed"}
    (attempt,) = case.saved.ledger.attempts.of("first")
    assert attempt["node"] == "n2"
    assert str(case.submission.folder) in attempt["message"]


def test_what_the_user_cancels_is_no_failed_try(case: Case) -> None:
    stop_file(case.submission.folder.parent).touch()
    assert case.examined("CANCELLED") == {}
    assert not case.submission.open


def test_the_accounting_is_asked_once_for_all_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ended(jobs: list[str], begin: datetime) -> dict[str, slurm.Ended]:
        asked.append(jobs)
        return {"1_0": slurm.Ended("TIMEOUT", "n1", known[0].submission.job_name)}

    monkeypatch.setattr(slurm, "ended", ended)
    saved = Case(tmp_path).saved
    known = [Known(write(saved.study.jobs("run"), RESOURCES, [["first"]]), str(job), {}) for job in (1, 2)]
    autopsy.examine(autopsy.Remains(saved, SLURM, known, set()))
    assert asked == [["1", "2"]]
    assert [attempt["cause"] for attempt in saved.ledger.attempts.of("first")] == ["time limit", "lost"]
    assert json.loads((known[0].submission.folder / "over.json").read_text()) == {"1_0": "TIMEOUT"}


@pytest.mark.parametrize("n_workers", [0, 1])
def test_jobs_that_all_end_before_a_worker_begins_stop_the_run(case: Case, n_workers: int) -> None:
    saved, folder = case.saved, case.saved.study.jobs("run")
    submission = write(folder, RESOURCES, [["first"], ["second"], ["first"], ["second"]])
    for index in range(4):
        (submission.folder / f"8_{index}_0_log.out").write_text("Loading\nmodule: not found: cuda\n")
    for index in range(n_workers):
        (folder / f"worker-{submission.folder.name}-{index}-99.log").touch()
    name = submission.job_name
    entry = slurm.Entry("8", (0,), "FAILED", "u", 0, "main", "n2", "None", name)
    array = Known(submission, "8", {f"8_{index}": entry for index in range(4)})
    autopsy.examine(autopsy.Remains(saved, SLURM, [array], set()))
    stop = stop_file(folder)
    assert stop.exists() == (n_workers == 0)
    said = "4 jobs ended before a worker began; the last words of one: module: not found: cuda"
    assert not stop.exists() or said in stop.read_text()


def test_an_array_that_was_cancelled_before_it_began_is_shown_as_one_job(case: Case) -> None:
    name = case.submission.job_name
    entry = slurm.Entry(JOB, None, "CANCELLED", "u", 0, "main", "", "JobHeldUser", name)
    autopsy.examine(autopsy.Remains(case.saved, SLURM, [Known(case.submission, JOB, {JOB: entry})], set()))
    (attempt,) = case.saved.ledger.attempts.of("first")
    assert attempt["cause"] == "cancelled"
    assert not case.submission.open
