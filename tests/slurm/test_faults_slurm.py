"""What befalls Slurm and its answers while a study is submitted and watched."""

import pytest

import slurm_daemons
from slurm_daemons import wait_until
from tests.slurm.cluster import command
from tests.slurm.studies import HELD, SHORT

pytestmark = pytest.mark.slurm


def counted(study):
    """How often the study's orchestrators call sbatch."""
    study.shim("sbatch", f'echo >> {study.place}/calls; exec $real "$@"')
    return lambda: (study.place / "calls").read_text().count("\n")


def release_until_it_ends(study, run):
    """Held jobs are released again and again, as new ones may come."""

    def ended():
        for job in {entry.job_id for entry in study.queued() if entry.reason == "JobHeldUser"}:
            command("scontrol", "release", job)
        return run.poll() is not None

    assert wait_until(ended, 200)
    study.finish(run)


def test_a_controller_killed_during_submission_is_waited_for(slurm, to_grade):
    with slurm.configured("MaxArraySize=4"):
        (controller,) = slurm_daemons.slurmctld().pids()
        to_grade.shim(
            "sbatch",
            f"""
            echo >> {to_grade.place}/calls
            (( $(wc -l < {to_grade.place}/calls) == 2 )) && kill -9 {controller}
            exec $real "$@"
            """,
        )
        run = to_grade.start(*SHORT)
        calls = to_grade.place / "calls"
        assert wait_until(lambda: calls.exists() and calls.read_text().count("\n") == 2, 60)
        assert wait_until(lambda: run.poll() is not None or silent(to_grade), 60)
        assert "started slurmctld" in slurm.start()
        said = to_grade.finish(run)
    assert "Slurm does not answer" in said
    to_grade.same_as_undisturbed(n_records=8)


def silent(study):
    """Whether a submission found nobody to take it."""
    return any((folder / "over.json").exists() for folder in study.submissions())


def test_whoever_is_killed_just_after_sbatch_has_its_array_adopted(to_grade):
    to_grade.shim("sbatch", '$real "$@" > /dev/null; kill -9 $PPID')
    run = to_grade.start(*SHORT, HELD)
    assert run.wait(60) == -9
    (submission,) = to_grade.submissions()
    assert not (submission / "job.json").exists()
    calls = counted(to_grade)
    (to_grade.place / "calls").write_text("")
    assert "0 jobs in 0 arrays submitted; 8 jobs wait" in to_grade.run(*SHORT, HELD, "wait=false")
    assert to_grade.status()["cells"] == {"queued": 4}
    release_until_it_ends(to_grade, to_grade.start(*SHORT, HELD))
    assert calls() == 0
    to_grade.same_as_undisturbed(n_records=8)


def test_two_orchestrators_at_once_submit_everything_once(to_grade):
    calls = counted(to_grade)
    both = [to_grade.start(*SHORT) for _ in range(2)]
    for run in both:
        to_grade.finish(run)
    assert calls() == 1
    to_grade.same_as_undisturbed(n_records=8)


def lose_an_element(study):
    """Cancel an element by hand and wait until Slurm's queue has forgotten it."""
    study.wait_for("studies/tiny/jobs/*/*/job.json", 60)
    assert wait_until(lambda: study.queued(), 30)
    job = study.queued()[0].job_id
    command("scancel", f"{job}_5")
    forgotten = ("squeue", "--noheader", "--array", "--states=all", "--format=%F_%K")
    assert wait_until(lambda: f"{job}_5" not in command(*forgotten).split(), 60)


def test_answers_that_fail_or_make_no_sense_are_no_news(slurm, to_grade):
    calls = f"{to_grade.place}/$(basename $0)"
    count = f"n=$(cat {calls} 2>/dev/null); echo $((n + 1)) > {calls}"
    to_grade.shim("squeue", f'{count}; ((n % 2)) && exit 1; exec $real "$@"')
    to_grade.shim(
        "sacct",
        f"""{count}
        case $((n % 3)) in
        0) echo 'slurm_persist_conn_open_without_init: failed' >&2; exit 1;;
        1) head -c 2000 /dev/urandom; echo '|||||'; echo '9_5|RUNNING|';;
        2) sleep 2; exit 1;;
        esac""",
    )
    with slurm.configured("MinJobAge=2"):
        run = to_grade.start(*SHORT, HELD)
        lose_an_element(to_grade)
        release_until_it_ends(to_grade, run)
    to_grade.same_as_undisturbed(n_records=8)


def test_without_accounting_a_lost_job_is_submitted_again(slurm, to_grade):
    with slurm.configured("MinJobAge=2", accounting=False):
        run = to_grade.start(*SHORT, HELD)
        lose_an_element(to_grade)
        assert not to_grade.status()["failures"]
        release_until_it_ends(to_grade, run)
        assert to_grade.status()["cells"] == {"complete": 4}
    to_grade.same_as_undisturbed(n_records=8)


def test_a_partition_that_does_not_exist_is_refused_and_nothing_stays(a_study):
    study = a_study("pool", "base", "checkpoint")
    cell = ("strategy=queries", "strategy.rows=32", "amount=4", "seed=0")
    run = study.start(*cell, HELD, "+cluster.stages.record.partition=nosuch")
    said = run.communicate(timeout=60)[0]
    assert run.returncode == 2
    assert "invalid partition specified: nosuch" in said
    assert "Traceback" not in said
    assert len(study.submissions()) == 2  # that of the answers was taken
    assert wait_until(lambda: not study.queued(), 20), study.queued()
    study.run(*cell)
    study.same_as_undisturbed(n_records=2)


def test_a_limit_of_the_accounting_is_waited_for(slurm, to_grade):
    limit = ("sacctmgr", "--immediate", "modify", "user", "root", "set")
    with slurm.configured("AccountingStorageEnforce=limits"):
        command(*limit, "MaxSubmitJobs=3")
        try:
            said = to_grade.run(*SHORT)
        finally:
            command(*limit, "MaxSubmitJobs=-1")
    assert "Slurm takes no more jobs for now" in said
    to_grade.same_as_undisturbed(n_records=8)
