"""What a job runs: a slot's worker on this machine, or one element of an array on a cluster."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from orchestrator import slots, slurm, slurm_jobs
from orchestrator.claims import Assigned, Shared
from orchestrator.leases import whoami
from orchestrator.ledger import Ledger
from orchestrator.note import Note, read_note
from orchestrator.study import StudyFolder, artifacts_of
from orchestrator.submissions import Submission
from orchestrator.worker import Place, Worker, worker_name

POLL = 0.5


def work(run_folder: str) -> int:
    """A job on this machine: wait for a slot, then work on what is left of the run; how much was made."""
    note = read_note(Path(run_folder))
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
    note = read_note(submission.folder.parent)
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
    signal.signal(signal.SIGUSR2, lambda *_: worker.warn(_near_the_time_limit))
    signal.signal(signal.SIGTERM, lambda *_: worker.warn(_told_to_end))
    made = worker.run()
    if worker.warning and _requeues_itself(note, worker.warning()):
        # Where that does not work, or is done already, whoever looks after the study submits it anew.
        with suppress(slurm.SlurmSilent):
            slurm_jobs.requeue(whoami()["job"])
    return made


def _near_the_time_limit() -> str:
    return "time limit"


@cache
def _told_to_end() -> str:
    """Why Slurm says so: the node is wanted by others, somebody requeues the job, or somebody cancels it.

    In the first case the end of the job by itself, within its time of grace, would be its last.
    """
    try:
        job = slurm.job(whoami()["job"])
    except slurm.SlurmSilent:
        return "preempted"
    requeued = int(job.get("Restarts", 0)) > int(os.environ.get("SLURM_RESTART_COUNT", 0))
    return "preempted" if requeued or job.get("PreemptTime", "None") != "None" else "cancelled"


def _requeues_itself(note: Note, cause: str) -> bool:
    """After a time limit only where no driver looks after the study: that submits it anew, with more time."""
    cluster = note.settings.cluster
    assert cluster.kind == "slurm", "only a cluster sends warnings"
    return cluster.requeue and (cause == "preempted" or (cause == "time limit" and cluster.driver is None))


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
