"""What Slurm is told: jobs to take, to end, to begin anew; and what it means when it does not take them."""

import re
from collections.abc import Sequence
from pathlib import Path

from orchestrator import slurm
from orchestrator.refusal import Refused

# What sbatch says when there are too many jobs, and when it could not ask.
_FULL = re.compile(
    r"MaxSubmit|GrpSubmit|MaxJobCount|too many|temporarily unable to accept|"
    r"[Rr]esource temporarily unavailable"
)
# Slurm has one sentence for all limits; where it names none of the job itself, the number of jobs is meant.
_LIMIT, _OF_THE_JOB = re.compile(r"accounting/QOS policy"), re.compile(r"(QOS|Assoc|Part)\w*Limit")
_UNHEARD = re.compile(
    r"[Uu]nable to contact|[Ss]ocket timed out|[Cc]onnection|[Zz]ero [Bb]ytes|not answer|no command|"
    r"[Cc]ommunication|in standby|shutdown|Transport endpoint|[Aa]uthentication|not available now"
)
_UNREACHED = re.compile(r"connect failure|no command")


class SlurmUnreached(slurm.SlurmSilent):
    """The controller was not there to hear it: certainly nothing was taken."""


class SlurmFull(Exception):
    """Slurm takes no more jobs for now: a limit of the site, the account or the user is met."""


def sbatch(script: Path) -> str:
    """Submit a batch script; the id of the job or array.

    Raises Refused where Slurm will never take it, SlurmFull where a limit is met, SlurmUnreached where nobody
    was there to take it, SlurmSilent where nobody knows whether it was taken.
    """
    told = _submitted(["sbatch", "--parsable", str(script)], script)[0]
    return told.strip().partition(";")[0]  # 123;name-of-cluster


def would_start(script: Path) -> str:
    """What Slurm says about when and where a batch script would start; nothing is submitted.

    Raises what `sbatch` raises.
    """
    return " ".join(_submitted(["sbatch", "--test-only", str(script)], script)[1].split())


def cancel(job_ids: Sequence[str]) -> None:
    """End jobs, waiting or running. Ones that are over are no error."""
    if job_ids:
        slurm.ask(["scancel", "--quiet", *job_ids])


def cancel_waiting(job_ids: Sequence[str]) -> None:
    """End those that have not begun; what runs goes on."""
    if job_ids:
        slurm.ask(["scancel", "--quiet", "--state=PENDING", *job_ids])


def requeue(job_id: str) -> None:
    """Put a running job back into the queue, which ends it here."""
    slurm.ask(["scontrol", "requeue", job_id])


def _submitted(command: Sequence[str], script: Path) -> tuple[str, str]:
    try:
        return slurm.answer(command)
    except slurm.SlurmSilent as silence:
        if _means_full(str(silence)):
            raise SlurmFull(str(silence)) from silence
        if _UNREACHED.search(str(silence)):
            raise SlurmUnreached(str(silence)) from silence
        if _UNHEARD.search(str(silence)):
            raise
        raise Refused(
            f"Slurm does not take the job ({silence}): correct conf/cluster or the cluster.* overrides; "
            f"the script is {script}"
        ) from silence


def _means_full(said: str) -> bool:
    return bool(_FULL.search(said) or (_LIMIT.search(said) and not _OF_THE_JOB.search(said)))
