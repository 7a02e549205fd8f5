"""scripts/slurm: up, down and status may be called at any time, and leave other people's clusters alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from slurm_daemons import ROOT, processes, slurmctld, slurmd
from tests.slurm.cluster import SCRIPT, script

pytestmark = pytest.mark.slurm
CONFIGURATION = Path("/etc/slurm/slurm.conf")
HOSTS = Path("/etc/hosts")


def test_up_leaves_alone_what_runs(slurm):
    before = slurmctld().pids()
    run = script("up")
    assert (run.returncode, run.stdout) == (0, "already up (with accounting)\n")
    assert slurmctld().pids() == before
    assert script("status").returncode == 0


def test_up_starts_only_what_is_missing(slurm):
    slurm.kill_slurmd("n2")
    slurm.kill_slurmctld()
    assert script("status").returncode == 1
    before = slurmd("n1").pids()
    run = script("up")
    assert (run.returncode, run.stdout) == (0, "up (with accounting): started slurmctld, n2\n")
    assert slurmd("n1").pids() == before


def test_a_line_that_slurm_does_not_know_is_named_and_the_next_up_recovers(slurm):
    run = script("up", "--set", "Nonsense=1")
    assert run.returncode == 1
    assert "unrecognized key: Nonsense" in run.stderr
    assert "started slurmctld" in slurm.start()


@pytest.mark.parametrize("verb", ["up", "down", "status"])
@pytest.mark.parametrize("path", [CONFIGURATION, HOSTS], ids=["slurm.conf", "hosts"])
def test_what_belongs_to_another_cluster_is_not_touched(slurm, path, verb):
    before = path.read_text()
    others = "ClusterName=theirs\n" if path == CONFIGURATION else f"{before}10.0.0.1 n1 n1.lab\n"
    try:
        path.write_text(others)
        run = script(verb)
        assert run.returncode == 4
        assert str(path) in run.stderr
        assert "nothing was done" in run.stderr
        assert path.read_text() == others
    finally:
        path.write_text(before)
    assert slurmctld().pids()


def test_packages_that_cannot_be_installed_are_named(slurm, tmp_path):
    run = subprocess.run(
        (sys.executable, SCRIPT, "up"), env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert run.returncode == 3
    assert "slurm-wlm" in run.stderr
    assert "apt" in run.stderr


def test_down_takes_everything_away_and_can_be_called_twice(slurm):
    if slurm.was_up:
        pytest.skip("the cluster was up before the tests: it is not theirs to end")
    slurm.sbatch("--output=/dev/null", "--wrap=exec sleep 98765")
    try:
        assert script("down").returncode == 0
        assert not [
            name
            for name in ("slurm.conf", "slurmdbd.conf", "gres.conf")
            if (Path("/etc/slurm") / name).exists()
        ]
        assert "n1" not in HOSTS.read_text()
        assert not ROOT.exists()
        assert not [
            c
            for _, c in processes()
            if c[0].endswith(("slurmd", "slurmctld", "munged", "mariadbd", "slurmdbd"))
        ]
        assert ("sleep", "98765") not in dict(processes()).values()
        assert script("down").stdout == "already down\n"
        assert script("status").returncode == 1
    finally:
        slurm.jobs.clear()
        slurm.start()


def test_only_root_may_read_the_secrets(slurm):
    secrets = [
        Path("/etc/slurm/slurmdbd.conf"),
        ROOT / "password",
        ROOT / "munge" / "key",
        ROOT / "mariadb.sql",
    ]
    assert not [path for path in secrets if path.stat().st_mode & 0o077]
