"""The cluster on one machine does what a real one does to a study: caps, refusals, preemption, dead nodes."""

import re
import subprocess

import pytest

from slurm_daemons import wait_until
from tests.slurm.cluster import command, sacct_that

pytestmark = pytest.mark.slurm


def job_file(tmp_path, text):
    path = tmp_path / "job.sh"
    path.write_text(f"#!/bin/bash\n{text}\n")
    return str(path)


def most_at_once(spans):
    """How many of the spans of time overlap at most."""
    return max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)


def test_elements_of_an_array_run_under_its_cap(slurm, tmp_path):
    body = "begin=$(date +%s.%N); sleep 0.5; echo $begin $(date +%s.%N)"
    job = slurm.sbatch("--array=0-7%3", f"--output={tmp_path}/%a", job_file(tmp_path, body))
    assert wait_until(lambda: not slurm.queued(job), 60)
    spans = [tuple(map(float, (tmp_path / str(n)).read_text().split())) for n in range(8)]
    assert 1 < most_at_once(spans) <= 3


def test_an_index_at_the_maximal_array_size_is_refused(slurm):
    with slurm.configured("MaxArraySize=16"):
        refused = subprocess.run(("sbatch", "--array=0-16", "--wrap=true"), capture_output=True, text=True)
        assert refused.returncode != 0
        assert "Invalid job array specification" in refused.stderr
        slurm.sbatch("--array=0-15", "--output=/dev/null", "--wrap=true")


def test_sacct_remembers_how_a_job_ended(slurm):
    job = slurm.sbatch("--output=/dev/null", "--wrap=exit 3")
    slurm.wait(job)

    def remembered():
        return command("sacct", "-nXPj", job, "--format=state,exitcode").strip()

    assert wait_until(lambda: remembered() == "FAILED|3:0", 30), remembered()


def test_without_accounting_jobs_run_and_sacct_fails(slurm, tmp_path):
    with slurm.configured(accounting=False):
        slurm.sbatch("--wait", f"--output={tmp_path}/out", "--wrap=echo here")
        assert (tmp_path / "out").read_text() == "here\n"
        assert subprocess.run(("sacct",), capture_output=True).returncode != 0


def test_a_job_spans_both_nodes_and_finds_them_by_name(slurm, tmp_path):
    body = "srun bash -c 'set -- $(getent hosts $SLURMD_NODENAME); echo $SLURM_PROCID $SLURMD_NODENAME $1'"
    slurm.sbatch("--wait", "-N2", "-n2", f"--output={tmp_path}/out", job_file(tmp_path, body))
    assert sorted((tmp_path / "out").read_text().split("\n")) == ["", "0 n1 127.0.0.1", "1 n2 127.0.0.1"]


def test_a_preempted_step_is_warned_at_once_and_starts_again(slurm, tmp_path):
    (tmp_path / "step.sh").write_text(
        "trap 'echo warned' TERM; echo start ${SLURM_RESTART_COUNT:-0}; for n in {1..600}; do sleep 0.1; done"
    )
    body = f"srun --open-mode=append --output={tmp_path}/out bash {tmp_path}/step.sh"
    low = slurm.sbatch(
        "--partition=low", "-wn1", "--exclusive", "--output=/dev/null", job_file(tmp_path, body)
    )
    out = tmp_path / "out"
    assert wait_until(lambda: out.exists() and "start 0" in out.read_text(), 30)
    high = slurm.sbatch("--partition=high", "-wn1", "--exclusive", "--output=/dev/null", "--wrap=sleep 1")
    assert wait_until(lambda: "warned" in out.read_text(), 10)
    slurm.wait(high, "COMPLETED")
    slurm.wait(low, "RUNNING")
    assert wait_until(lambda: "start 1" in out.read_text(), 30)


@pytest.mark.parametrize("dies", ["kill_slurmd", "kill_node"])
def test_a_job_whose_node_dies_starts_on_another(slurm, tmp_path, dies):
    body = "echo $SLURMD_NODENAME ${SLURM_RESTART_COUNT:-0}; sleep 60"
    job = slurm.sbatch("--open-mode=append", f"--output={tmp_path}/out", job_file(tmp_path, body))
    slurm.wait(job, "RUNNING")
    assert wait_until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_text(), 10)
    first = (tmp_path / "out").read_text().split()[0]
    getattr(slurm, dies)(first)
    slurm.wait(job, "PENDING", seconds=90)
    slurm.wait(job, "RUNNING", seconds=60)
    other = {"n1": "n2", "n2": "n1"}[first]
    assert wait_until(lambda: f"{other} 1" in (tmp_path / "out").read_text(), 10)
    assert "NODE_FAIL" in command("sacct", "-nXDPj", job, "--format=state")


def test_jobs_outlive_a_killed_controller(slurm, tmp_path):
    job = slurm.sbatch(f"--output={tmp_path}/out", "--wrap=sleep 10; echo done")
    slurm.wait(job, "RUNNING")
    slurm.wait_until_saved()
    slurm.kill_slurmctld()
    assert subprocess.run(("sbatch", "--wrap=true"), capture_output=True).returncode != 0
    assert "started slurmctld\n" in slurm.start()
    slurm.wait(job, "COMPLETED")
    assert (tmp_path / "out").read_text() == "done\n"


def test_a_job_submits_another(slurm, tmp_path):
    inner = tmp_path / "inner"
    job = slurm.sbatch(f"--output={tmp_path}/out", f"--wrap=sbatch -o {inner} --wrap='echo from inside'")
    slurm.wait(job, "COMPLETED")
    assert re.fullmatch(r"Submitted batch job \d+\n", (tmp_path / "out").read_text())
    assert wait_until(lambda: inner.exists() and inner.read_text() == "from inside\n", 30)


def test_a_user_who_is_not_root_runs_jobs(slurm):
    submit = ("sbatch", "--wait", "--chdir=/", "--output=/dev/null", "--wrap=test $(id -un) = nobody")
    assert subprocess.run(("setpriv", "--reuid=nobody", "--clear-groups", *submit), cwd="/").returncode == 0


def test_gpus_are_handed_out_up_to_what_a_node_has(slurm, tmp_path):
    slurm.sbatch("--wait", "--gres=gpu:2", f"--output={tmp_path}/out", "--wrap=echo $CUDA_VISIBLE_DEVICES")
    assert (tmp_path / "out").read_text() == "0,1\n"
    assert subprocess.run(("sbatch", "--gres=gpu:3", "--wrap=true"), capture_output=True).returncode != 0


def test_too_much_memory_ends_a_job_and_its_log_says_so(slurm, tmp_path):
    body = "python3 -c 'import time; hoard = b\"1\" * 300_000_000; time.sleep(60)'"
    job = slurm.sbatch("--mem=100M", f"--output={tmp_path}/out", job_file(tmp_path, body))
    slurm.wait(job, "FAILED")
    assert "Exceeded job memory limit" in (tmp_path / "out").read_text()


def test_sacct_can_be_made_to_fail(slurm, tmp_path):
    with sacct_that("echo no such host >&2; exit 1", tmp_path):
        assert subprocess.run(("sacct",), capture_output=True).stderr == b"no such host\n"
    assert command("sacct").startswith("JobID")
