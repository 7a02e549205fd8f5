"""`doctor` and `efficiency` on the real Slurm: a green table, and each way to be red."""

import json
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.slurm.cluster import command, sacct_that
from tests.tiny import ROOT, environment
from tests.tiny import command as tiny

pytestmark = pytest.mark.slurm


def run(tmp_path, *arguments):
    ran = subprocess.run(
        arguments, capture_output=True, text=True, cwd=ROOT, env=environment(tmp_path), timeout=240
    )
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    return ran


def doctor(tmp_path, *overrides, before=()):
    arguments = ("cluster=slurm", f"outputs={tmp_path}/outputs", *overrides, "--json")
    ran = run(tmp_path, *before, sys.executable, "-m", "orchestrator", "doctor", *arguments)
    return ran.returncode, {found["check"]: found for found in json.loads(ran.stdout)["findings"]}


def red(findings):
    return {check: found["finding"] for check, found in findings.items() if found["verdict"] == "bad"}


@contextmanager
def partition(name, *settings):
    command("scontrol", "create", f"PartitionName={name}", "Nodes=n2", *settings)
    try:
        yield
    finally:
        command("scontrol", "delete", f"PartitionName={name}")


def test_a_cluster_that_is_fit_is_green_and_keeps_nothing_of_the_examination(slurm, tmp_path):
    code, findings = doctor(tmp_path, "cluster.resources.memory_gib=1")
    assert (code, red(findings)) == (0, {}), findings
    seen = {check.rpartition(": ")[2] for check in findings}
    assert {"folder", "disk", "clock", "Python", "driver", "sbatch", "nodes", "time limit"} <= seen
    assert not (tmp_path / "outputs").exists()
    assert "doublings-doctor" not in command("squeue", "-ho", "%j")


def test_a_partition_that_does_not_exist_is_red(slurm, tmp_path):
    code, findings = doctor(tmp_path, "cluster.resources.partition=nosuch")
    assert code == 1
    assert "nosuch" in red(findings)["all stages: partition"]
    assert "Invalid partition" in red(findings)["all stages: sbatch"]


def test_more_gpus_than_a_node_has_are_red_for_the_stage_that_asks(slurm, tmp_path):
    code, findings = doctor(tmp_path, "++cluster.stages.checkpoint.gpus=8", "--wait", "0")
    assert code == 1
    assert set(red(findings)) == {"trunk, checkpoint: gpu", "trunk, checkpoint: sbatch"}


def test_time_above_the_limit_of_the_partition_is_red_although_sbatch_would_take_it(slurm, tmp_path):
    with partition("brief", "MaxTime=5"):
        code, findings = doctor(tmp_path, "cluster.resources.partition=brief")
        assert code == 1
        assert "brief allows 5" in red(findings)["all stages: time limit"]
        fits = doctor(tmp_path, "cluster.resources.partition=brief", "cluster.resources.minutes=5")
        assert fits[0] == 0, red(fits[1])


def test_a_node_that_does_not_see_the_folder_is_red(slurm, tmp_path):
    (tmp_path / "outputs").mkdir()
    # A file system that only the process which examines has, and the daemons of the nodes have not.
    script = 'mount -t tmpfs none "$0" && exec "$@"'
    before = ("unshare", "-m", "bash", "-c", script, str(tmp_path / "outputs"))
    code, findings = doctor(tmp_path, before=before)
    assert code == 1
    assert "does not see the folder" in red(findings)["all stages: a job of doctor"]


def test_a_job_that_stays_in_the_queue_is_yellow_and_taken_back(slurm, tmp_path):
    with partition("closed", "State=UP"):
        command("scontrol", "update", "PartitionName=closed", "State=INACTIVE")
        down = doctor(tmp_path, "cluster.resources.partition=closed")
        assert "INACTIVE" in red(down[1])["all stages: partition"]
    code, findings = doctor(tmp_path, "++cluster.sbatch.begin=now+1hour", "--wait", "3")
    assert code == 0, red(findings)
    assert "still waits (BeginTime)" in findings["all stages: a job of doctor"]["finding"]
    assert "doublings-doctor" not in command("squeue", "-ho", "%j")


def test_a_python_that_the_nodes_lack_is_red(slurm, tmp_path):
    code, findings = doctor(tmp_path, "cluster.resources.python=/nosuch/python")
    assert code == 1
    [(check, finding)] = red(findings).items()
    assert check.endswith(": Python")
    assert "/nosuch/python" in finding


def test_without_accounting_the_cluster_is_still_fit(slurm, tmp_path):
    with sacct_that("echo accounting storage is disabled >&2; exit 1", tmp_path):
        code, findings = doctor(tmp_path, "--wait", "0")
    assert (code, findings["accounting"]["verdict"]) == (0, "warn")
    assert "accounting storage is disabled" in findings["accounting"]["finding"]


def test_efficiency_knows_what_the_jobs_of_a_study_used(slurm, tmp_path):
    small = ("strategy=queries", "strategy.rows=32", "amount=8", "study=small", "wait=true")
    asked = ("cluster=slurm", "cluster.resources.memory_gib=2", "cluster.resources.cpus=2")
    ran = run(tmp_path, *tiny("run", tmp_path / "outputs", *small, *asked))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    where = ("--outputs", str(tmp_path / "outputs"), "--json")
    told = run(tmp_path, sys.executable, "-m", "orchestrator", "efficiency", "small", *where)
    report = json.loads(told.stdout)
    assert report["accounting"] is None
    assert {kind for row in report["jobs"] for kind in row["stages"]} == set(report["stages"])
    for row in report["jobs"]:
        assert (row["minutes"], row["memory_gib"], row["cpus"]) == (60, 2, 2)
        assert 0 < row["longest_minutes"] < 4
        assert 0.1 < row["peak_gib"] < 2
        assert 0 < row["busy_cpus"] < 2
        assert row["next"]["cpus"] == 1
    fit = run(tmp_path, sys.executable, "-m", "orchestrator", "doctor", "small", "--wait", "0", *where)
    assert fit.returncode == 0, fit.stdout
