"""`doctor` on this machine, and how it judges what nodes report."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator import identity, offer_checks, probing, report_checks
from orchestrator.findings import Finding, table, worst
from orchestrator.offer_checks import Shape
from orchestrator.probe import clock_ahead, stage_answer
from orchestrator.probing import Report
from orchestrator.settings import Driver
from tests.tiny import RESOURCES, ROOT, SLURM, environment

STAGE = {
    "python": "3.11.7",
    "executable": "/venv/bin/python",
    "packages": {"torch": "2.13.0", "transformers": "5.19.0"},
    "out_of_reach": [],
    "gpus": None,
}
ANSWER: dict[str, Any] = {
    "node": "n1", "clock_ahead": 0.0, "free_bytes": 10**12, "stage": STAGE, "queue": None, "submission": None,
}  # fmt: skip
HERE = {"clock_ahead": 0.0, "packages": STAGE["packages"]}
DRIVEN = SLURM.model_copy(
    update={"driver": Driver(every_minutes=10.0, minutes=30.0, memory_gib=2.0, partition=None, qos=None)}
)


def examined(tmp_path: Path, *arguments: str, **variables: str) -> tuple[int, list[dict[str, str]]]:
    ran = subprocess.run(
        [sys.executable, "-m", "orchestrator", "doctor", *arguments, "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**environment(tmp_path), **variables},
    )
    assert ran.returncode in (0, 1), ran.stderr
    findings: list[dict[str, str]] = json.loads(ran.stdout)["findings"]
    return ran.returncode, findings


def red(findings: list[dict[str, str]]) -> list[dict[str, str]]:
    return [finding for finding in findings if finding["verdict"] == "bad"]


@pytest.mark.slow
def test_this_machine_is_green_and_stays_as_it_was(tmp_path):
    outputs = tmp_path / "outputs"
    code, findings = examined(tmp_path, "cluster=local", f"outputs={outputs}")
    assert code == 0, findings
    checks = {finding["check"] for finding in findings}
    assert {"outputs", "free space", "Python here", "processors"} <= checks
    assert not outputs.exists()


@pytest.mark.slow
def test_outputs_that_cannot_be_written_are_red(tmp_path):
    (tmp_path / "file").write_text("")
    code, findings = examined(tmp_path, "cluster=local", f"outputs={tmp_path}/file/outputs")
    assert code == 1
    [finding] = red(findings)
    assert "not writable" in finding["finding"]
    assert "outputs=PATH" in finding["remedy"]


@pytest.mark.slow
def test_data_that_is_not_there_is_a_red_line_and_all_else_is_looked_at(tmp_path):
    overrides = ("experiment=gsm8k_small", f"data.path={tmp_path}/nowhere", f"outputs={tmp_path}/outputs")
    code, findings = examined(tmp_path, *overrides)
    assert code == 1
    [finding] = red(findings)
    assert finding["check"] == "plan"
    assert "nowhere" in finding["finding"]
    assert findings[-1]["check"] == "processors"


@pytest.mark.slow
def test_a_study_and_overrides_together_are_refused(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "orchestrator", "doctor", "mini", "cluster=slurm"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(tmp_path),
    )
    assert ran.returncode == 2
    assert "give one study" in ran.stderr


def test_a_stage_says_what_it_runs_in_and_what_it_cannot_read(tmp_path):
    there = tmp_path / "there.jsonl"
    there.write_text("{}\n")
    columns = {"kind": "table", "split": "train", "query": "q", "response": "r"}
    sources = [{**columns, "path": str(there)}, {**columns, "path": str(tmp_path / "nowhere.jsonl")}]
    answer = stage_answer(ROOT, None, sources, None)
    assert answer["python"] == ".".join(map(str, sys.version_info[:3]))
    assert answer["packages"]["torch"]
    assert len(answer["out_of_reach"]) == 1
    assert "nowhere.jsonl" in answer["out_of_reach"][0]


@pytest.mark.slow
def test_a_data_set_that_is_not_cached_is_out_of_reach_where_the_hub_is_forbidden(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    source = {"kind": "table", "repo": "openai/gsm8k", "split": "train", "query": "q", "response": "r"}
    [why] = stage_answer(ROOT, None, [source], None)["out_of_reach"]
    assert "openai/gsm8k is not in the cache" in why and "HF_HUB_OFFLINE" in why
    (tmp_path / "datasets" / "openai___gsm8k").mkdir(parents=True)
    assert stage_answer(ROOT, None, [source], None)["out_of_reach"] == []


def test_a_python_that_does_not_start_is_red_with_its_last_words(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such image >&2\nexit 1\n")
    broken.chmod(0o755)
    finding = report_checks.stage("Python", stage_answer(ROOT, str(broken), [], None), str(broken))
    assert finding.verdict == "bad"
    assert "no such image" in finding.finding


def test_the_clock_of_a_file_system_is_read_without_leaving_a_trace(tmp_path):
    assert abs(clock_ahead(tmp_path)) < 1
    assert list(tmp_path.iterdir()) == []


def report(**changes: Any) -> list[Finding]:
    shape = Shape(("checkpoint",), RESOURCES.model_copy(update={"gpus": changes.pop("asked_gpus", 0)}))
    return report_checks.node(Report(shape, {**ANSWER, **changes}), DRIVEN, HERE, 10**9, n_sources=1)


def test_a_node_that_sees_everything_is_green():
    assert worst(report()) == "ok"


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({"clock_ahead": -20.0}, "warn", "20.0 s behind"),
        ({"clock_ahead": 300.0}, "bad", "300.0 s ahead"),
        ({"free_bytes": 10**8}, "bad", "100 MB free"),
        ({"free_bytes": 12 * 10**8}, "warn", "1.2 GB free"),
        ({"stage": {"failed": "no module named experiments"}}, "bad", "do not start"),
        ({"stage": {**STAGE, "python": "3.9.2"}}, "bad", "3.9.2"),
        ({"stage": {**STAGE, "packages": {"torch": None}}}, "bad", "lacks torch"),
        ({"stage": {**STAGE, "packages": {**STAGE["packages"], "torch": "2.11.0"}}}, "warn", "(2.13.0 here)"),
        ({"stage": {**STAGE, "out_of_reach": ["/data does not exist"]}}, "bad", "/data"),
        ({"stage": {**STAGE, "gpus": []}, "asked_gpus": 1}, "bad", "torch sees none"),
        ({"submission": "sbatch: access denied"}, "bad", "may not submit jobs"),
    ],
)
def test_what_is_wrong_on_a_node_is_said_with_what_to_do(changes, verdict, words):
    [finding] = [finding for finding in report(**changes) if finding.verdict != "ok"]
    assert finding.verdict == verdict
    assert words in finding.finding
    assert finding.remedy


def test_jobs_need_not_submit_jobs_where_there_is_no_driver():
    found = report_checks.node(
        Report(Shape(("pool",), RESOURCES), {**ANSWER, "submission": "denied"}), SLURM, HERE, None, 0
    )
    assert worst(found) == "ok"


def test_a_job_that_still_waits_is_no_failure_but_one_that_ended_without_a_word_is():
    shape = Shape(("pool",), RESOURCES)
    waits = Report(shape, trouble="job 7 still waits (Priority)", waiting=True)
    gone = Report(shape, trouble="job 7 ended FAILED on n1")
    assert [f.verdict for f in report_checks.node(waits, SLURM, HERE, None, 0)] == ["warn"]
    assert [f.verdict for f in report_checks.node(gone, SLURM, HERE, None, 0)] == ["bad"]


def test_one_job_stands_for_all_shapes_that_meet_the_same_nodes_and_python():
    larger = RESOURCES.model_copy(update={"cpus": 8, "memory_gib": 64.0})
    elsewhere = RESOURCES.model_copy(update={"partition": "gpu", "gpus": 4})
    shapes = [Shape(("pool",), RESOURCES), Shape(("record",), larger), Shape(("checkpoint",), elsewhere)]
    assert [shape.stages for shape in probing.distinct(shapes)] == [("pool", "record"), ("checkpoint",)]
    assert probing.smaller(elsewhere).gpus == 1
    in_words_of_the_site = RESOURCES.model_copy(update={"gres": "gpu:a100:8,mps:400"})
    assert probing.smaller(in_words_of_the_site).gres == "gpu:a100:1,mps:1"
    assert offer_checks.gpus(in_words_of_the_site) == 8


def test_a_shape_of_all_stages_is_called_so():
    assert Shape(identity.KINDS, RESOURCES).name == "all stages"


def test_text_that_looks_like_markup_is_shown_as_it_is(capsys):
    from_slurm = Finding("sbatch", "job 7_[0-3] waits", "warn", "see [link]")
    drawn = table("t", [from_slurm])
    assert [str(cell) for cell in drawn.columns[1].cells] == ["job 7_[0-3] waits"]
