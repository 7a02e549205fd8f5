"""A real Slurm for the tests of this folder: started if none runs, and then stopped again."""

import fcntl
import tempfile
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, script
from tests.slurm.studies import LONG, ONE_VERY_LONG, SHORT, Study
from tests.tiny import doublings


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


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The outputs of local runs of the same cells."""
    place = tmp_path_factory.mktemp("undisturbed")
    for cells in (SHORT, LONG, ONE_VERY_LONG):
        ran = doublings(place, "run", *cells)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    return place / "outputs"


@pytest.fixture
def a_study(slurm, undisturbed, tmp_path):
    """Makes studies on Slurm, of which artifacts of some kinds are there; they end with the test."""
    studies = []

    def study(*made_before):
        place = tmp_path / f"study{len(studies)}"
        place.mkdir()
        studies.append(Study(place, undisturbed, *made_before))
        return studies[-1]

    yield study
    slurm.start()
    for each in studies:
        each.end()


@pytest.fixture
def to_train(a_study):
    """A study whose pool and base are there."""
    return a_study("pool", "base")


@pytest.fixture
def to_grade(a_study):
    """A study of which only the records are missing: eight jobs of a second each."""
    return a_study("pool", "base", "checkpoint", "completions")
