"""What befalls the places where jobs run and write: disks, nodes, the source, the environment."""

import shlex
import shutil
import subprocess

import pytest

import slurm_daemons
from orchestrator import slurm as commands
from orchestrator.snapshot import PACKAGES
from slurm_daemons import wait_until
from tests.slurm.cluster import command
from tests.slurm.studies import EXCLUSIVE, HELD, ON_SLURM, SHORT
from tests.tiny import ROOT
from tests.tiny import command as tiny

pytestmark = pytest.mark.slurm


@pytest.fixture
def on_a_small_disk(to_grade):
    """The study, whose outputs are on a disk of 20 MB."""
    kept = to_grade.outputs.with_name("kept")
    to_grade.outputs.rename(kept)
    to_grade.outputs.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", to_grade.outputs], check=True)
    shutil.copytree(kept, to_grade.outputs, dirs_exist_ok=True)
    yield to_grade
    to_grade.end()  # as long as its books are there
    subprocess.run(["umount", "--lazy", to_grade.outputs], check=True)


def release(study):
    for job in {entry.job_id for entry in study.queued()}:
        command("scontrol", "release", job)


def test_a_disk_that_fills_up_stops_the_study_and_the_next_run_goes_on(on_a_small_disk):
    study = on_a_small_disk
    run = study.start(*SHORT, HELD)
    study.wait_for("studies/tiny/jobs/*/*/job.json")
    ballast = study.outputs / "ballast"
    with ballast.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
        while True:
            stream.write(bytes(4096))
    release(study)
    said = run.communicate(timeout=200)[0]
    assert run.returncode == 1, said
    assert "No space left on device" in said or "disk full" in said
    assert "Traceback" not in said
    ballast.unlink()
    assert wait_until(lambda: not study.queued(), 60)
    study.run(*SHORT)
    study.same_as_undisturbed(n_records=8)


def test_a_node_without_the_shared_folder_is_avoided(slurm, to_grade):
    slurm.kill_slurmd("n2")
    blind = f"mount -t tmpfs none {to_grade.outputs} && exec /usr/sbin/slurmd -D -N n2"
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", blind], stderr=subprocess.DEVNULL):
        try:
            assert wait_until(lambda: slurm_daemons.slurmd("n2").pids(), 10)
            slurm.start()
            run = to_grade.start(*SHORT, EXCLUSIVE)
            to_grade.wait_for("artifacts/.attempts/*.json")
            causes = {(attempt["cause"], attempt["node"]) for attempt in to_grade.attempts()}
            assert causes == {("node failed", "n2")}
            to_grade.finish(run)
        finally:
            slurm.kill_slurmd("n2")
    to_grade.same_as_undisturbed(n_records=8)


def test_jobs_that_wait_run_the_code_as_it_was(to_grade, tmp_path):
    to_grade.root = tmp_path / "tree"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, to_grade.root / package)
    to_grade.run(*SHORT, HELD, "wait=false")
    for edited in ("experiments/record.py", "orchestrator/worker.py"):
        (to_grade.root / edited).write_text("raise RuntimeError('edited')\n")
    release(to_grade)
    assert wait_until(lambda: not to_grade.queued(), 120)
    to_grade.root = ROOT
    assert to_grade.status()["cells"] == {"complete": 4}
    to_grade.same_as_undisturbed(n_records=8)


def test_nothing_of_a_job_reaches_what_is_submitted_from_inside_it(slurm, to_grade, tmp_path):
    (tmp_path / "job.sh").write_text(
        "#!/bin/bash\n"
        "export SBATCH_PARTITION=nosuch SBATCH_ARRAY_INX=7 SLURM_ARRAY_TASK_ID=3 SLURM_MEM_PER_CPU=1\n"
        f"cd {ROOT}\nexec {shlex.join(tiny('run', to_grade.outputs, *ON_SLURM, *SHORT))}\n"
    )
    job = slurm.sbatch("--partition=high", f"--output={tmp_path}/out", "--mem=1G", str(tmp_path / "job.sh"))
    slurm.wait(job, seconds=200)
    assert slurm.state(job) == "COMPLETED", (tmp_path / "out").read_text()
    to_grade.same_as_undisturbed(n_records=8)
    names = {f"doublings.{folder.name}" for folder in to_grade.submissions()}
    assert {entry.partition for entry in commands.queue() if entry.name in names} == {"main"}


def test_a_python_without_the_packages_stops_the_study_at_once(to_grade):
    run = to_grade.start(*SHORT, "cluster.resources.python=/usr/bin/python3", "cluster.max_parallel=1")
    said = run.communicate(timeout=120)[0]
    assert run.returncode == 1
    assert "import error" in said
    assert "No module named" in said
    assert len(to_grade.attempts()) == 1
    assert wait_until(lambda: not to_grade.queued(), 60)
    to_grade.run(*SHORT)
    to_grade.same_as_undisturbed(n_records=8)
