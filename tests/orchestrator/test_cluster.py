"""What a run on Slurm submits, and takes back; the programs that answer are the edge."""

import os
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.cluster import SlurmRun
from orchestrator.identity import Artifact
from orchestrator.ledger import Ledger
from orchestrator.note import Note, stop_file
from orchestrator.pace import declared
from orchestrator.progress import View
from orchestrator.refusal import Refused
from orchestrator.run import make
from orchestrator.saved import Saved
from orchestrator.settings import Driver
from orchestrator.slurm_jobs import SlurmFull, SlurmUnreached
from orchestrator.study import StudyFolder
from tests.tiny import SETTINGS, SLURM

REFUSED = "echo 'Requested node configuration is not available' >&2; exit 1"
DRIVER = Driver(every_minutes=10.0, minutes=30.0, memory_gib=1.0, partition=None, qos=None)


class Edge:
    """A Slurm with an empty queue that gives out job 7; every call is written down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for command in ("scontrol", "scancel", "sacct"):
            self.does(command, "true")
        self.shows()
        self.does("sbatch", "echo 7")

    def does(self, command: str, code: str) -> None:
        program = self.folder / command
        program.write_text(f'#!/bin/bash\necho {command} "$@" >> {self.folder}/calls\n{code}\n')
        program.chmod(0o755)

    def shows(self, *lines: str) -> None:
        """What is queued."""
        queue = "\n".join(
            ("ARRAY_JOB_ID|ARRAY_TASK_ID|STATE|USER|PRIORITY|PARTITION|NODELIST|REASON|NAME", *lines)
        )
        self.does("squeue", f"cat <<'END'\n{queue}\nEND")

    def calls(self, command: str) -> list[str]:
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if line.split()[0] == command]


@pytest.fixture
def edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edge:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Edge(folder)


def a_run(tmp_path: Path, driver: Driver | None = None) -> SlurmRun:
    """Of a study with one cell."""
    artifacts = {
        "pool": Artifact("pool", "pool", {}, {}),
        "record": Artifact("record", "record", {}, {"completions": "pool"}),
    }
    saved = Saved(
        StudyFolder(tmp_path, "s"),
        Ledger.at(tmp_path),
        1,
        {"artifacts": {}, "cells": []},
        artifacts,
        declared(1e9),
        dict.fromkeys(artifacts, 1.0),
    )
    cluster = SLURM.model_copy(update={"driver": driver})
    note = Note(
        run="r",
        outputs=str(tmp_path),
        study="s",
        plan=1,
        settings=SETTINGS.model_copy(update={"cluster": cluster}),
        order=(),
        devices=(),
        python="python",
        code=str(tmp_path),
        provenance={},
    )
    note.write()
    return SlurmRun(saved, note, cluster)


def scripts(tmp_path: Path) -> list[str]:
    return [path.read_text() for path in sorted(tmp_path.glob("studies/s/jobs/r/*/submission.sh"))]


def test_nodes_that_failed_are_left_out_unless_no_other_is_left(edge: Edge, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    for node in ("n1", "n2"):
        run.saved.ledger.attempts.add("pool", {"cause": "node failed", "node": node})
    edge.does("sbatch", f'grep -q "exclude=n1,n2" $2 && {{ {REFUSED}; }}; echo 7')
    run.reconcile()
    assert run.everything_submitted
    assert sum("exclude" in script for script in scripts(tmp_path)) == 1  # that was refused
    assert {entry.job_id for entry in run.queued.jobs.values()} == {"7"}


def test_a_refusal_withdraws_what_was_taken_before(edge: Edge, tmp_path: Path) -> None:
    run = a_run(tmp_path, DRIVER)
    edge.does("sbatch", f"(( $(grep -c sbatch {edge.folder}/calls) > 2 )) && {{ {REFUSED}; }}; echo 7")
    with View(Console()) as view, pytest.raises(Refused, match="not available"):
        run.begin(view)
    assert edge.calls("scancel")[0].endswith("--state=PENDING 7")
    assert "not available" in stop_file(run.note.folder).read_text()


def test_a_run_that_was_refused_altogether_never_was(edge: Edge, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    edge.does("sbatch", REFUSED)
    with View(Console()) as view, pytest.raises(Refused):
        run.begin(view)
    assert not run.note.path.exists()


def test_a_controller_that_was_not_there_leaves_no_doubt(edge: Edge, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    edge.does("sbatch", "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1")
    with pytest.raises(SlurmUnreached):
        run.reconcile()
    edge.does("sbatch", "echo 7")
    run.reconcile()
    assert run.everything_submitted


def test_an_answer_that_never_came_leaves_doubt_and_nothing_is_submitted_twice(
    edge: Edge, tmp_path: Path
) -> None:
    run = a_run(tmp_path)
    edge.does("sbatch", "echo 'Socket timed out on send/recv operation' >&2; exit 1")
    with View(Console()) as view:
        assert not run.over({}, view)
        assert not run.over({}, view)
    assert len(edge.calls("sbatch")) == 1


def test_a_job_that_would_wait_for_ever_is_cancelled(edge: Edge, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    run.reconcile()
    (name, *_) = {entry.name for entry in run.queued.jobs.values()}
    edge.shows(f"7|0|PENDING|u|1|main||launch failed requeued held|{name}")
    run.reconcile()
    assert edge.calls("scancel") == ["scancel --quiet 7_0"]
    edge.shows(f"7|0|PENDING|u|1|main||JobHeldUser|{name}")
    run.reconcile()
    assert len(edge.calls("scancel")) == 1


def test_a_full_queue_is_asked_again_once_a_job_of_ours_has_left_it(edge: Edge, tmp_path: Path) -> None:
    edge.does("sbatch", "echo 'AssocMaxSubmitJobLimit' >&2; exit 1")
    run = a_run(tmp_path)
    for _ in range(3):
        with pytest.raises(SlurmFull, match="AssocMaxSubmitJobLimit"):
            run.reconcile()
    assert len(edge.calls("sbatch")) == len(scripts(tmp_path)) == 1
    assert run.queued.jobs == {}


def test_ctrl_c_while_submitting_leaves_the_rest_to_the_driver_or_the_next_run(
    edge: Edge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path)
    console = Console(record=True, width=200)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.cluster.submit_slurm", interrupted)
    with View(console) as view:
        assert make(run.saved, run.note, view)
    assert "the next `run` submits the rest" in console.export_text()
