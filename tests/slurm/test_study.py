"""A study on Slurm is what it is on one machine: the same records, in as few calls of sbatch as can be."""

import pytest

from slurm_daemons import wait_until
from tests.slurm.studies import EXCLUSIVE, SHORT

pytestmark = pytest.mark.slurm


def count_sbatch(study):
    study.shim("sbatch", f'echo >> {study.place}/calls; exec $real "$@"')
    return lambda: len((study.place / "calls").read_text().split("\n")) - 1


def elements_at_once(study):
    """How many elements of the study run at this moment."""
    return sum(entry.state == "RUNNING" for entry in study.queued())


def test_a_study_on_two_nodes_gives_the_records_of_one_machine(a_study):
    study = a_study()
    calls = count_sbatch(study)
    study.run(*SHORT, EXCLUSIVE)
    study.same_as_undisturbed(n_records=8)
    assert study.nodes() == {"n1", "n2"}
    assert calls() == 2  # what serves many, then the cells
    status = study.status()
    assert status["cells"] == {"complete": 4}
    assert status["queue"] is None
    assert (study.outputs / "studies" / "tiny" / "report" / "index.html").exists()


def test_arrays_are_no_longer_than_the_cluster_allows_and_run_under_their_cap(slurm, to_grade):
    calls = count_sbatch(to_grade)
    with slurm.configured("MaxArraySize=4"):
        to_grade.run(*SHORT, "cluster.max_parallel=2")
    to_grade.same_as_undisturbed(n_records=8)
    assert calls() == 2
    for submission in to_grade.submissions():
        assert "--array=0-3%2\n" in (submission / "submission.sh").read_text()


def test_a_study_waits_where_the_site_takes_no_more_jobs(to_grade):
    to_grade.shim(
        "sbatch",
        f"""
        if (( $(cat {to_grade.place}/refused 2>/dev/null | wc -l) < 2 )); then
            echo >> {to_grade.place}/refused
            echo 'sbatch: error: Batch job submission failed: Job violates accounting/QOS policy' >&2; exit 1
        fi
        exec $real "$@"
        """,
    )
    said = to_grade.run(*SHORT, "cluster.max_queued=3")
    assert "Slurm takes no more jobs for now" in said
    to_grade.same_as_undisturbed(n_records=8)
    assert len(to_grade.submissions()) >= 3


def test_the_driver_brings_a_study_to_its_end_alone(to_grade):
    alone = ("wait=null", "cluster.driver={every_minutes: 0.1, memory_gib: 1}", "cluster.max_queued=3")
    said = to_grade.run(*SHORT, *alone)
    assert "the driver submits the rest" in said
    status = to_grade.status()
    assert status["queue"]["driver"]
    to_grade.wait_for("studies/tiny/report/index.html", 240)
    to_grade.same_as_undisturbed(n_records=8)
    assert wait_until(lambda: not to_grade.queued(), 30), to_grade.queued()


def test_without_a_driver_and_unwatched_the_jobs_do_their_work(to_grade):
    said = to_grade.run(*SHORT, "wait=false", "+cluster.sbatch.hold=true")
    assert "8 jobs in 1 arrays submitted" in said
    status = to_grade.status()
    assert status["cells"] == {"queued": 4}
    assert status["queue"]["jobs"] == {"pending": 8}
    assert not status["queue"]["driver"]
