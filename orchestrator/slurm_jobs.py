"""What Slurm is told: jobs to take, to end, to begin anew; and what it means when it does not take them."""

import re
from collections.abc import Sequence
from pathlib import Path

from orchestrator import slurm
from orchestrator.refusal import Refused

# What sbatch says when there are too many jobs, and when it could not ask.
_FULL = re.compile(
    r"MaxSubmit|QOSMax|AssocMax|AssocGrp|QOSGrp|accounting/QOS policy|MaxJobCount|too many|"
    r"temporarily unable to accept|[Rr]esource temporarily unavailable"
)
_UNHEARD = re.compile(
    r"[Uu]nable to contact|[Ss]ocket timed out|[Cc]onnection|[Zz]ero [Bb]ytes|not answer|no command|"
    r"[Cc]ommunication|in standby|shutdown|Transport endpoint"
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
        if _FULL.search(str(silence)):
            raise SlurmFull(str(silence)) from silence
        if _UNREACHED.search(str(silence)):
            raise SlurmUnreached(str(silence)) from silence
        if _UNHEARD.search(str(silence)):
            raise
        raise Refused(
            f"Slurm does not take the job ({silence}): correct conf/cluster or the cluster.* overrides; "
            f"the script is {script}"
        ) from silence
