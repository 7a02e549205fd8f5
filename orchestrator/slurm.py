"""The one module that knows Slurm's commands: what it is asked, and how its answers are read."""

import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from orchestrator.refusal import Refused

# Longer than this no command takes that still works.
PATIENCE = 60.0
# A surrounding job's settings must not reach what is submitted from inside it.
LEAKING = ("SLURM_", "SBATCH_", "SALLOC_", "SRUN_", "PMI_", "PMIX_")
# In these states a job has or will get its resources; in all others it has ended.
LIVE = frozenset(
    {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD"}
    | {"REQUEUE_FED", "RESIZING", "SPECIAL_EXIT", "STOPPED", "SIGNALING", "STAGE_OUT"}
)
# What the end of a job says about what it had in hand; COMPLETED says nothing.
CAUSES: Mapping[str, str] = {
    "TIMEOUT": "time limit",
    "DEADLINE": "time limit",
    "OUT_OF_MEMORY": "out of memory",
    "NODE_FAIL": "node failed",
    "BOOT_FAIL": "node failed",
    "PREEMPTED": "preempted",
    "CANCELLED": "cancelled",
    "REVOKED": "cancelled",
}
# What Slurm writes into the log of a job that it ends; all that is left where there is no accounting.
_LAST_WORDS = (
    (re.compile(r"[Ee]xceeded (job|step) memory limit|oom[-_]kill|Out Of Memory"), "out of memory"),
    (re.compile(r"DUE TO TIME LIMIT"), "time limit"),
    (re.compile(r"DUE TO PREEMPTION"), "preempted"),
    (re.compile(r"DUE TO NODE FAILURE"), "node failed"),
)
# What sbatch says when there are too many jobs, and when it could not ask.
_FULL = re.compile(
    r"MaxSubmit|QOSMax|AssocMax|AssocGrp|QOSGrp|accounting/QOS policy|MaxJobCount|too many|"
    r"temporarily unable to accept|[Rr]esource temporarily unavailable"
)
_UNHEARD = re.compile(
    r"[Uu]nable to contact|[Ss]ocket timed out|[Cc]onnection|[Zz]ero [Bb]ytes|not answer|no command|"
    r"[Cc]ommunication|in standby|shutdown|Transport endpoint"
)
_QUEUE_FORMAT = "%F|%K|%T|%u|%Q|%P|%S|%M|%N|%r|%j"
_ENDED_FORMAT = "JobID,State,ExitCode,ElapsedRaw,NodeList,JobName"


class SlurmSilent(Exception):
    """A command of Slurm failed, hung, or is not there; nothing is known, and nothing follows from that."""


class SlurmFull(Exception):
    """Slurm takes no more jobs for now: a limit of the site, the account or the user is met."""


@dataclass(frozen=True)
class Entry:
    """A line of the queue: a job, or elements of an array that share a state."""

    job_id: str  # of the array, for an element
    elements: tuple[int, ...] | None  # None: not an array
    state: str
    user: str
    priority: int
    partition: str
    start: datetime | None  # begun, or expected to
    elapsed: str
    nodes: str
    reason: str
    name: str

    @property
    def live(self) -> bool:
        """Whether it still waits or runs."""
        return self.state in LIVE


@dataclass(frozen=True)
class Ended:
    """How a job ended, as the accounting has it."""

    state: str
    exit_code: str
    seconds: int
    nodes: str
    name: str  # of the job: ids may be given out twice


def present() -> bool:
    """Whether this machine can submit at all."""
    return shutil.which("sbatch") is not None


@cache
def user() -> str:
    """Whose jobs are ours."""
    return getpass.getuser()


def environment() -> dict[str, str]:
    """Ours, without what a surrounding job would force upon the ones we submit; SLURM_CONF stays."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LEAKING)}
    if "SLURM_CONF" in os.environ:
        kept["SLURM_CONF"] = os.environ["SLURM_CONF"]
    return kept


def queue() -> list[Entry]:
    """Everybody's jobs that wait, run, or ended within the last minutes (MinJobAge), by one call."""
    # Long lists of elements are printed whole only when this is zero.
    told = ask(["squeue", "-a", "-h", "-t", "all", "-o", _QUEUE_FORMAT], SLURM_BITSTR_LEN="0")
    entries = []
    for line in told.splitlines():
        fields = line.split("|", 10)
        if len(fields) == 11:
            entries.append(_entry(fields))
    return entries


def ended(job_ids: Sequence[str], since: datetime) -> dict[str, Ended]:
    """How elements (`123_4`) and jobs (`123`) ended, from the accounting; what it does not know is absent.

    Raises SlurmSilent where there is no accounting.
    """
    if not job_ids:
        return {}
    # Without a start sacct shows what was live since midnight only.
    begin = since.strftime("%Y-%m-%dT%H:%M:%S")
    told = ask(
        ["sacct", "-n", "-P", "-X", "-S", begin, "-E", "now", "-j", ",".join(job_ids), "-o", _ENDED_FORMAT]
    )
    found: dict[str, Ended] = {}
    for line in told.splitlines():
        fields = line.split("|", 5)
        if len(fields) != 6 or not fields[1]:
            continue
        state = fields[1].split()[0]  # CANCELLED by 1000
        if state not in LIVE:
            seconds = int(fields[3]) if fields[3].isdecimal() else 0
            found[fields[0]] = Ended(state, fields[2], seconds, *fields[4:])
    return found


def cause_of(state: str | None, log: str) -> str:
    """Why a job ended, from its state and the end of its log; `lost` where neither tells."""
    told = CAUSES.get(state or "", "lost")
    if told not in ("lost", "cancelled"):
        return told
    return next((cause for words, cause in _LAST_WORDS if words.search(log)), told)


def configuration() -> dict[str, str]:
    """The settings of the cluster, by name (MaxArraySize, AccountingStorageType, ...)."""
    told = ask(["scontrol", "show", "config"])
    pairs = (line.split("=", 1) for line in told.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def partitions() -> dict[str, dict[str, str]]:
    """The settings of each partition (MaxTime, Default, State, ...)."""
    told = ask(["scontrol", "-o", "show", "partition"])
    found = {}
    for line in told.splitlines():
        fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
        if "PartitionName" in fields:
            found[fields["PartitionName"]] = fields
    return found


def sbatch(script: Path) -> str:
    """Submit a batch script; the id of the job or array.

    Raises Refused where Slurm will never take it, SlurmFull where a limit is met, SlurmSilent where nobody
    knows whether it was taken.
    """
    told = _submitted(["sbatch", "--parsable", str(script)], script).stdout
    return told.strip().partition(";")[0]  # 123;name-of-cluster


def would_start(script: Path) -> str:
    """What Slurm says about when and where a batch script would start; nothing is submitted.

    Raises what `sbatch` raises.
    """
    return " ".join(_submitted(["sbatch", "--test-only", str(script)], script).stderr.split())


def cancel(job_ids: Sequence[str]) -> None:
    """End jobs, waiting or running. Ones that are over are no error."""
    if job_ids:
        ask(["scancel", "--quiet", *job_ids])


def cancel_waiting(job_ids: Sequence[str]) -> None:
    """End those that have not begun; what runs goes on."""
    if job_ids:
        ask(["scancel", "--quiet", "--state=PENDING", *job_ids])


def requeue(job_id: str) -> None:
    """Put a running job back into the queue, which ends it here."""
    ask(["scontrol", "requeue", job_id])


def elements_of(expression: str) -> tuple[int, ...] | None:
    """The indices in `0-3,7,9-20:2%5`; None for what is no array."""
    numbers: list[int] = []
    for part in expression.strip("[]").partition("%")[0].split(","):
        span, _, step = part.partition(":")
        first, dash, last = span.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            return None
        numbers += range(int(first), int(last or first) + 1, int(step or 1))
    return tuple(numbers)


def ask(command: Sequence[str], **variables: str) -> str:
    """What a command of Slurm printed. Raises SlurmSilent where it failed or took too long."""
    return _ran(command, variables).stdout


def _submitted(command: Sequence[str], script: Path) -> subprocess.CompletedProcess[str]:
    try:
        return _ran(command, {})
    except SlurmSilent as silence:
        if _FULL.search(str(silence)):
            raise SlurmFull(str(silence)) from silence
        if _UNHEARD.search(str(silence)):
            raise
        raise Refused(
            f"Slurm does not take the job ({silence}): correct conf/cluster or the cluster.* overrides; "
            f"the script is {script}"
        ) from silence


def _ran(command: Sequence[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            env={**environment(), **variables},
        )
    except FileNotFoundError:
        raise SlurmSilent(f"there is no command {command[0]} on this machine") from None
    except subprocess.TimeoutExpired:
        raise SlurmSilent(f"{command[0]} did not answer within {PATIENCE:.0f} s") from None
    if ran.returncode != 0:
        raise SlurmSilent(f"{command[0]}: {' '.join(ran.stderr.split()) or f'exit code {ran.returncode}'}")
    return ran


def _entry(fields: Sequence[str]) -> Entry:
    job_id, index, state, owner, priority, partition, start, elapsed, nodes, reason, name = fields
    return Entry(
        job_id=job_id,
        elements=elements_of(index),
        state=state,
        user=owner,
        priority=int(priority) if priority.isdecimal() else 0,
        partition=partition,
        start=_time(start),
        elapsed=elapsed,
        nodes=nodes,
        reason=reason,
        name=name,
    )


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def names(entry: Entry) -> Iterator[str]:
    """The ids of a line of the queue, one for each element: `123_4`, or `123` where it is no array."""
    if entry.elements is None:
        yield entry.job_id
    else:
        yield from (f"{entry.job_id}_{index}" for index in entry.elements)
