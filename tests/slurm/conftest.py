"""A real Slurm for the tests of this folder: started if none runs, and then stopped again."""

import fcntl
import tempfile
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, script


@pytest.fixture(scope="session")
def cluster():
    """The cluster on this machine; one run of the tests at a time."""
    status = script("status")
    if status.returncode in (3, 4):
        pytest.skip(f"no Slurm on this machine, `make system` installs it as root: {status.stderr.strip()}")
    with (Path(tempfile.gettempdir()) / "doublings-slurm-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        was_up = script("status").returncode == 0
        up = script("up")
        if up.returncode == 3:
            pytest.skip(f"no Slurm on this machine: {up.stderr.strip()}")
        assert up.returncode == 0, up.stderr
        yield Cluster(was_up=was_up)
        if not was_up:
            assert script("down").returncode == 0


@pytest.fixture
def slurm(cluster):
    """The cluster, whole again after each test, without the test's jobs."""
    yield cluster
    cluster.start()
    cluster.cancel()
