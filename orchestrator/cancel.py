"""The verb `cancel`: end what is queued or runs of a study; what is in hand is saved first."""

from pathlib import Path

from rich.console import Console

from orchestrator import slurm, slurm_jobs
from orchestrator.driver import drivers
from orchestrator.files import read_json, write_text
from orchestrator.note import stop_file
from orchestrator.study import find
from orchestrator.submissions import submissions


def cancel(name: str, outputs: Path) -> int:
    """Tell every run of the study to stop, and Slurm to end its jobs. 1 where Slurm did not answer."""
    study = find(name, outputs)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    notes = list(study.root.glob("jobs/*/note.json"))
    for note in notes:
        write_text(stop_file(note.parent), f"cancelled; `doublings retry {study.name}` goes on")
    if not any(read_json(note)["settings"]["cluster"]["kind"] == "slurm" for note in notes):
        console.print(f"'{study.name}' stops; what is in hand is saved first")
        return 0
    try:
        entries = slurm.queue()
        names = {submission.job_name for submission in submissions(study)}
        ours = [entry for entry in entries if entry.live and entry.name in names]
        waiting_drivers = drivers(study, entries)
        slurm_jobs.cancel(sorted({entry.job_id for entry in ours} | set(waiting_drivers)))
    except slurm.SlurmSilent as silence:
        console.print(f"'{study.name}' stops; Slurm did not answer ({silence}): jobs end when they begin")
        return 1
    n_jobs = sum(len(list(slurm.names(entry))) for entry in ours)
    console.print(f"'{study.name}' stops: {n_jobs} jobs cancelled; what is in hand is saved first")
    return 0
