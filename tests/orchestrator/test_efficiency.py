"""What a study asked for and used, read from a study on disk whose jobs are known to the second."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from orchestrator import advice, efficiency, slurm, slurm_offers, submissions, usage
from orchestrator.__main__ import app
from orchestrator.artifacts import Store
from orchestrator.identity import Artifact, Kind
from orchestrator.note import Note
from orchestrator.pace import OVERHEAD
from orchestrator.refusal import Refused
from orchestrator.saved import Saved
from orchestrator.settings import Settings
from orchestrator.study import StudyFolder, save_plan
from tests.tiny import ANALYSIS, RESOURCES, SLURM

GIB = 2**30
CLUSTER = SLURM.model_copy(
    update={
        "resources": RESOURCES.model_copy(update={"cpus": 4, "memory_gib": 16.0, "minutes": 120.0}),
        "stages": {},
        "target_minutes": 5.0,
        "flops_per_second": 1e9,
    }
)
# kind, job, seconds after the job began, seconds, CPU seconds, peak: two jobs of 100 s, ten of them starting.
MADE: list[tuple[Kind, str, float, float, float, int]] = [
    ("checkpoint", "71_0", 10.0, 50.0, 60.0, 3 * GIB),
    ("completions", "71_0", 60.0, 40.0, 40.0, 2 * GIB),
    ("checkpoint", "71_1", 10.0, 60.0, 60.0, 2 * GIB),
    ("completions", "71_1", 70.0, 30.0, 30.0, 1 * GIB),
]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """A study whose array 71 waited 30 s and made four artifacts; a fifth came from another study."""
    study = StudyFolder(tmp_path, "s")
    artifacts = {f"{kind}{job[-1]}": kind for kind, job, *_ in MADE} | {"pool": "pool"}
    document = {
        "study": "s",
        "settings": {"analysis": {}},
        "cells": [],
        "artifacts": {
            key: {
                "kind": kind, "spec": {}, "inputs": {}, "places": {}, "label": key,
                "cost": {"tokens": 0, "flops": 1e10, "bytes": 0, "seconds": 10.0},
            }
            for key, kind in artifacts.items()
        },
    }  # fmt: skip
    number, _ = save_plan(study, document)
    settings = Settings(
        study="s", outputs=str(tmp_path), wait=None, format="text", cluster=CLUSTER, analysis=ANALYSIS
    )
    note = Note(
        run="r", outputs=str(tmp_path), study="s", plan=number, settings=settings, order=(), devices=(),
        python="python", code=str(tmp_path), provenance={},
    )  # fmt: skip
    note.write()
    array = submissions.write(
        note.folder,
        CLUSTER.resources,
        [[f"checkpoint{element}", f"completions{element}"] for element in "01"],
    )
    array.taken("71")
    begun = array.written.timestamp() + 30
    for kind, job, after, seconds, cpu_seconds, peak in MADE:
        _publish(
            tmp_path, kind, f"{kind}{job[-1]}",
            {"run": "r", "job": job, "host": "h", "pid": 1, "worker_begun": begun, "begun": begun + after,
             "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_memory_bytes": peak},
        )  # fmt: skip
    _publish(tmp_path, "pool", "pool", {"run": "of another study"})
    return Saved.newest(study)


def _publish(outputs: Path, kind: Kind, key: str, provenance: dict[str, Any]) -> None:
    store, artifact = Store(outputs), Artifact(kind, key, {}, {})
    store.publish(artifact, store.start(artifact), {}, provenance)


def without_accounting(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> None:
        raise slurm.SlurmSilent("sacct: Slurm accounting storage is disabled")

    monkeypatch.setattr(slurm_offers, "used", silent)


def with_accounting(monkeypatch: pytest.MonkeyPatch, **known: slurm_offers.Used) -> None:
    monkeypatch.setattr(slurm_offers, "used", lambda jobs, since: known)


def reported(saved: Saved, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert efficiency.show("s", saved.study.outputs, as_json=True) == 0
    known: dict[str, Any] = json.loads(capsys.readouterr().out)
    return known


def test_without_accounting_manifests_and_submissions_tell(saved, monkeypatch, capsys):
    without_accounting(monkeypatch)
    report = reported(saved, capsys)
    [row] = report["jobs"]
    assert row["stages"] == ["checkpoint", "completions"]
    assert row["n_jobs"] == 2
    assert (row["minutes"], row["longest_minutes"]) == (120.0, pytest.approx(100 / 60))
    assert row["median_wait_seconds"] == pytest.approx(30, abs=1)
    assert row["start_share"] == pytest.approx(0.1)
    assert row["busy_cpus"] == pytest.approx(100 / 90)
    assert row["peak_gib"] == 3 + usage.WORKER_BYTES / GIB
    assert "disabled" in report["accounting"]
    assert report["made_elsewhere"] == 1


def test_the_accounting_is_believed_where_it_saw_more(saved, monkeypatch, capsys):
    used = slurm_offers.Used(200.0, 7200.0, 500.0, 6 * GIB, 87, 45.0)
    with_accounting(monkeypatch, **{"71_0": used})
    [row] = reported(saved, capsys)["jobs"]
    assert row["peak_gib"] == 6
    assert row["longest_minutes"] == pytest.approx(200 / 60)
    assert row["busy_cpus"] == 2.5
    assert row["gpu_percent"] == 87
    assert row["longest_wait_seconds"] == 45


def test_better_numbers_have_their_margins_and_can_be_pasted(saved, monkeypatch, capsys):
    without_accounting(monkeypatch)
    overrides = reported(saved, capsys)["overrides"]
    # 3.125 GiB x 1.3, twice five minutes, one processor busy and a little.
    for kind in ("checkpoint", "completions"):
        assert f"++cluster.stages.{kind}.memory_gib=4.25" in overrides
        assert f"++cluster.stages.{kind}.minutes=10" in overrides
        assert f"++cluster.stages.{kind}.cpus=2" in overrides


def test_stages_are_set_against_their_predictions(saved, monkeypatch, capsys):
    without_accounting(monkeypatch)
    report = reported(saved, capsys)
    assert report["stages"]["checkpoint"]["factor"] == pytest.approx(
        110 / (2 * (10 + OVERHEAD["checkpoint"]))
    )
    assert report["stages"]["completions"]["factor"] == pytest.approx(
        70 / (2 * (10 + OVERHEAD["completions"]))
    )
    # Four times 1e10 FLOPs in 180 s, but for the 0.2 s each that no arithmetic takes.
    assert "cluster.flops_per_second=2.2e+08" in report["overrides"]


def test_the_page_shows_asked_used_and_next(saved, monkeypatch):
    without_accounting(monkeypatch)
    shown = CliRunner().invoke(
        app, ["efficiency", "s", "--outputs", str(saved.study.outputs)], env={"COLUMNS": "160"}
    )
    assert shown.exit_code == 0
    assert "16 -> 3.12 -> 4.25" in shown.stdout
    assert "120 -> 1.7 -> 10" in shown.stdout
    assert "largest peak x 1.3" in shown.stdout


def test_a_study_that_made_nothing_is_refused(saved, tmp_path):
    empty = StudyFolder(tmp_path, "empty")
    settings = {"analysis": {}, "cluster": {"flops_per_second": 1e9}}
    save_plan(empty, {"study": "empty", "settings": settings, "cells": [], "artifacts": {}})
    with pytest.raises(Refused, match="nothing of 'empty'"):
        efficiency.show("empty", tmp_path, as_json=True)


def a_job(name: str, *kinds: Kind, elapsed: float = 100.0) -> usage.Job:
    made = tuple(usage.Made(f"{name}{kind}", kind, 1.0, 0.0, 0.0, 10.0, 9.0, GIB) for kind in kinds)
    used = slurm_offers.Used(elapsed, None, None, None, None, None)
    return usage.Job(name, made, 0.0, RESOURCES, datetime(2026, 1, 1), used)


def test_stages_that_met_in_a_job_are_decided_together():
    jobs = [a_job("a", "checkpoint", "completions"), a_job("b", "completions", "record"), a_job("c", "pool")]
    assert [group.stages for group in advice.groups(jobs)] == [
        ("pool",),
        ("checkpoint", "completions", "record"),
    ]


def test_jobs_that_mostly_start_are_to_be_longer():
    found = advice.groups([a_job("a", "checkpoint", "completions", elapsed=80.0)])
    # 60 s of starting are a twentieth of 20 minutes.
    assert advice.target_minutes(found, 5.0) == 20
    assert advice.target_minutes(found, 30.0) is None


def test_artifacts_that_take_no_time_to_compute_tell_nothing_about_the_rate():
    one = usage.Made("k", "checkpoint", 1.0, 1e6, 0.0, 20.0, 19.0, GIB)
    assert advice.flops_per_second([one], 1e9) is None


@given(st.integers(0, 2**45))
def test_memory_to_ask_for_holds_the_peak_with_its_margin(peak):
    asked = advice.memory_gib(peak)
    assert asked * GIB >= peak * advice.MEMORY_MARGIN * (1 - 1e-12)
    assert asked >= 0.5
    assert asked * GIB <= max(peak * advice.MEMORY_MARGIN + GIB / 4, GIB / 2) * (1 + 1e-12)


@given(st.floats(0, 1e7), st.floats(0.1, 1e4))
def test_a_time_limit_holds_the_longest_job_and_the_packing_twice(longest, target):
    asked = advice.time_limit(longest, target)
    assert asked * 60 >= 2 * longest * (1 - 1e-12)
    assert asked >= 2 * target * (1 - 1e-12)
    assert asked % 5 == 0
