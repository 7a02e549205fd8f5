"""What befalls jobs that train: put back, cancelled, preempted, out of time, on a node that dies."""

import pytest

from slurm_daemons import wait_until
from tests.slurm.cluster import command
from tests.slurm.studies import LONG, ONE_LONG, ONE_VERY_LONG

pytestmark = pytest.mark.slurm


def resumed(study):
    """How many trainings went on where another job had stopped."""
    return study.logs().count("goes on after step")


def running(study):
    """The elements of the study that run, as Slurm names them, and where."""
    entries = [entry for entry in study.queued() if entry.state == "RUNNING"]
    return {f"{entry.job_id}_{entry.elements[0]}": entry.nodes for entry in entries}


def test_jobs_requeued_and_cancelled_by_hand_go_on_where_they_were(to_train):
    run = to_train.start(*LONG)
    to_train.wait_until_it_trains(n_cells=2)
    put_back, cancelled = running(to_train)
    command("scontrol", "requeue", put_back)
    command("scancel", cancelled)
    to_train.wait_for("artifacts/.attempts/*.json")
    assert wait_until(lambda: len(to_train.attempts()) == 2, 60), to_train.attempts()
    assert {each["job"]: each["cause"] for each in to_train.attempts()} == {
        put_back: "preempted",
        cancelled: "cancelled",
    }
    to_train.finish(run)
    to_train.same_as_undisturbed(n_records=4)
    assert resumed(to_train) == 2


@pytest.mark.parametrize("requeue", ["true", "false"])
def test_a_preempted_job_makes_way_at_once_and_goes_on_later(slurm, to_train, requeue):
    run = to_train.start(*ONE_LONG, "cluster.resources.partition=low", f"cluster.requeue={requeue}")
    to_train.wait_until_it_trains()
    ((_, node),) = running(to_train).items()
    slurm.sbatch(
        "--partition=high", f"--nodelist={node}", "--exclusive", "--output=/dev/null", "--wrap=sleep 1"
    )
    to_train.wait_for("artifacts/.attempts/*.json")
    assert [attempt["cause"] for attempt in to_train.attempts()] == ["preempted"]
    to_train.finish(run)
    to_train.same_as_undisturbed(n_records=2)
    assert resumed(to_train) == 1
    assert len(to_train.submissions()) == (1 if requeue == "true" else 2)


def test_a_job_that_is_longer_than_its_time_limit_goes_on_after_it(to_train):
    to_train.run(*ONE_VERY_LONG, "cluster.resources.minutes=1", timeout=400)
    to_train.same_as_undisturbed(n_records=2)
    assert resumed(to_train) >= 1
    assert len(to_train.submissions()) == 1  # the job has put itself back


def test_where_jobs_may_not_be_requeued_more_time_is_asked_for(to_train):
    run = to_train.start(*ONE_LONG, "cluster.requeue=false", "cluster.resources.minutes=1")
    to_train.wait_until_it_trains()
    ((job, _),) = running(to_train).items()
    command("scancel", "--signal=USR2", job)  # as Slurm does before the limit
    to_train.finish(run)
    to_train.same_as_undisturbed(n_records=2)
    assert resumed(to_train) == 1
    first, *others = ((path / "submission.sh").read_text() for path in to_train.submissions())
    assert "--time=1\n" in first
    assert any("--time=2\n" in other for other in others)


def test_a_cell_outlives_its_node_although_the_node_goes_on_unheard(slurm, to_train):
    run = to_train.start(*ONE_LONG)
    to_train.wait_until_it_trains()
    ((_, node),) = running(to_train).items()
    slurm.kill_slurmd(node)
    to_train.finish(run)
    to_train.same_as_undisturbed(n_records=2)


def test_what_is_in_hand_is_saved_by_cancel_and_goes_on_with_retry(to_train):
    run = to_train.start(*ONE_LONG)
    to_train.wait_until_it_trains()
    cancelled = to_train.verb("cancel")
    assert cancelled.returncode == 0
    assert "1 jobs cancelled" in cancelled.stdout
    said = run.communicate(timeout=120)[0]
    assert run.returncode == 1
    assert "cancelled; `doublings retry tiny` goes on" in said
    assert wait_until(lambda: not to_train.queued(), 30)
    assert not to_train.attempts()
    assert not to_train.status()["failures"]
    assert to_train.verb("retry").returncode == 0
    to_train.same_as_undisturbed(n_records=2)
    assert resumed(to_train) == 1
