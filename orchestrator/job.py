"""What a job runs: a slot's worker on this machine, or one element of an array on a cluster."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator import slots, slurm
from orchestrator.claims import Assigned, Shared
from orchestrator.ledger import Ledger
from orchestrator.note import Note, read_note
from orchestrator.study import StudyFolder, artifacts_of
from orchestrator.submissions import Submission
from orchestrator.worker import Place, Worker, worker_name

POLL = 0.5
# What Slurm sends, and what it means: the time limit is near, or the node is wanted by somebody else.
WARNINGS = {signal.SIGUSR2: "time limit", signal.SIGTERM: "preempted"}


def work(note_file: str) -> int:
    """A job on this machine: wait for a slot, then work on what is left of the run; how much was made."""
    note = read_note(Path(note_file))
    ledger = Ledger.at(Path(note.outputs))
    study = StudyFolder(Path(note.outputs), note.study)
    claims = Shared(note.order, artifacts_of(study.plan(note.plan)), ledger, note.folder)
    with _any_slot(note, claims) as slot:
        if slot is None:
            return 0
        gpu = note.devices[slot] if slot < len(note.devices) else ""
        cluster = note.settings.cluster
        assert cluster.kind == "local", "a cluster's jobs are given elements"
        return Worker(note, ledger, claims, Place(worker_name(slot), cluster.threads, gpu)).run()


def work_on_element(submission: Submission) -> int:
    """A job of a cluster: make what its element was given; how much was made."""
    note = read_note(submission.folder.parent / "note.json")
    study = StudyFolder(Path(note.outputs), note.study)
    index = int(os.environ["SLURM_ARRAY_TASK_ID"])
    share = submission.shares()[index]
    artifacts = study.artifacts(note.plan, share)
    kinds = {key: artifact.kind for key, artifact in artifacts.items()}
    ledger = Ledger.at(study.outputs)
    claims = Assigned([artifacts[key] for key in share], kinds, ledger, note.folder)
    resources = submission.resources
    place = Place(
        name=worker_name(f"{submission.folder.name}-{index}"),
        threads=resources.cpus,
        gpus=os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        python=resources.python,
        memory_bytes=resources.memory_gib * 2**30,
    )
    worker = Worker(note, ledger, claims, place)
    for number, cause in WARNINGS.items():
        signal.signal(number, lambda *_, cause=cause: worker.warn(cause))
    made = worker.run()
    if worker.warned == "time limit" and _requeues_itself(note):
        slurm.requeue(os.environ["SLURM_JOB_ID"])
    return made


def _requeues_itself(note: Note) -> bool:
    """Where a driver looks after the study it submits anew, with more time; else the job helps itself."""
    cluster = note.settings.cluster
    return cluster.kind == "slurm" and cluster.requeue and cluster.driver is None


@contextmanager
def _any_slot(note: Note, claims: Shared) -> Iterator[int | None]:
    """Wait for a free slot of this machine, or for there to be nothing left to do (None)."""
    cluster = note.settings.cluster
    assert cluster.kind == "local", "slots are places of this machine"
    while claims.unfinished():
        for slot in range(cluster.workers):
            with slots.held(slot) as mine:
                if mine:
                    yield slot
                    return
        time.sleep(POLL)
    yield None
