"""What the driver's job does: look after a study once, and leave a successor until all is done."""

import os
import time
from pathlib import Path

from rich.console import Console

from orchestrator import slurm, slurm_jobs
from orchestrator.cluster import SlurmRun
from orchestrator.driver import drivers, start_driver
from orchestrator.note import Note, read_note
from orchestrator.progress import View
from orchestrator.run import conclude, retain, sweeper_of
from orchestrator.saved import Saved
from orchestrator.settings import SlurmCluster
from orchestrator.study import StudyFolder

# Slurm may be silent just when a driver wakes; its successor is what keeps the study going.
TRIES = 30
PAUSE = 20.0


def drive(run_folder: Path) -> int:
    """Submit a successor, then what was lost; at the end write the report and take the successor back."""
    note = read_note(run_folder)
    study = StudyFolder(Path(note.outputs), note.study)
    cluster = note.settings.cluster
    assert cluster.kind == "slurm", "drivers are jobs of a cluster"
    if study.newest_run() != note.run:
        return 0  # a later `run` has a driver of its own
    followed = _leave_successor(note, cluster, study)
    saved = Saved.of(study, note.plan, study.plan(note.plan), note.known_pace)
    this = SlurmRun(saved, note, cluster)
    with View(Console()) as view:
        over = this.over(saved.states(), view)
        view.say(this.started())
        retain(sweeper_of(saved, note.settings.keep), view)
    if over:
        return conclude(saved, note, Console())
    if not followed:
        slurm_jobs.requeue(os.environ["SLURM_JOB_ID"])  # its own place in the queue is what it surely has
    return 0


def _leave_successor(note: Note, cluster: SlurmCluster, study: StudyFolder) -> bool:
    """Whether one waits now: an earlier try may have been heard although it got no answer."""
    for _ in range(TRIES):
        try:
            waiting = [entry for entry in slurm.queue() if entry.state == "PENDING"]
            if not drivers(study, waiting, note.run):
                start_driver(note, cluster)
        except slurm_jobs.SlurmFull:
            return False
        except slurm.SlurmSilent:
            time.sleep(PAUSE)
        else:
            return True
    return False
