"""The one module that knows Slurm's commands: what it is asked, and how its answers are read."""

import getpass
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

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
_QUEUE_FORMAT = "%F|%K|%T|%u|%Q|%P|%N|%r|%j"
_ENDED_FORMAT = "JobID,State,NodeList,JobName"


class SlurmSilent(Exception):
    """A command of Slurm failed, hung, or is not there; nothing is known, and nothing follows from that."""


@dataclass(frozen=True)
class Entry:
    """A line of the queue: a job, or elements of an array that share a state."""

    job_id: str  # of the array, for an element
    elements: tuple[int, ...] | None  # None: not an array
    state: str
    user: str
    priority: int
    partition: str
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
    told = ask(["squeue", "-a", "-t", "all", "-o", _QUEUE_FORMAT], SLURM_BITSTR_LEN="0")
    header, *lines = [line.split("|", _QUEUE_FORMAT.count("|")) for line in told.splitlines()] or [[]]
    # An empty queue has a header. Half an answer would make jobs that wait look ended.
    if "STATE" not in header or any(len(fields) != len(header) for fields in lines):
        raise SlurmSilent("squeue's answer cannot be read")
    return [_entry(fields) for fields in lines]


def ended(job_ids: Sequence[str], since: datetime) -> dict[str, Ended]:
    """How elements (`123_4`) and jobs (`123`) ended, from the accounting; what it does not know is absent.

    Raises SlurmSilent where there is no accounting.
    """
    if not job_ids:
        return {}
    # Without a start sacct shows what was live since midnight only.
    begin = since.astimezone().strftime("%Y-%m-%dT%H:%M:%S")  # its clock is the local one
    told = ask(
        ["sacct", "-n", "-P", "-X", "-S", begin, "-E", "now", "-j", ",".join(job_ids), "-o", _ENDED_FORMAT]
    )
    found: dict[str, Ended] = {}
    for line in told.splitlines():
        fields = line.split("|", _ENDED_FORMAT.count(","))
        if len(fields) <= _ENDED_FORMAT.count(",") or not fields[1]:
            continue
        state = fields[1].split()[0]  # CANCELLED by 1000
        if state not in LIVE:
            ended = Ended(state, *fields[2:])
            job_id, _, index = fields[0].partition("_")
            elements = elements_of(index)  # several, `123_[4-7%2]`, where none of them ever began
            found.update({f"{job_id}_{element}": ended for element in elements or ()} or {fields[0]: ended})
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
    found = map(_pairs, told.splitlines())
    return {fields["PartitionName"]: fields for fields in found if "PartitionName" in fields}


def job(job_id: str) -> dict[str, str]:
    """What is known of a job that waits or runs (PreemptTime, Restarts, ...)."""
    return _pairs(ask(["scontrol", "-o", "show", "job", job_id]))


def _pairs(line: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in line.split() if "=" in part)


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
    return answer(command, **variables)[0]


def answer(command: Sequence[str], **variables: str) -> tuple[str, str]:
    """The same, and what it printed on stderr."""
    try:
        # A session of its own: Ctrl-C does not come between sbatch and its answer.
        running = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**environment(), **variables},
            start_new_session=True,
        )
    except FileNotFoundError:
        raise SlurmSilent(f"there is no command {command[0]} on this machine") from None
    with running:
        try:
            out, error = running.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            # All of it: sites wrap these commands in scripts, whose children would keep the pipes open.
            os.killpg(running.pid, signal.SIGKILL)
            said = " ".join(running.communicate()[1].split())
            heard = f" ({said})" if said else ""
            raise SlurmSilent(f"{command[0]} did not answer within {PATIENCE:.0f} s{heard}") from None
    if running.returncode != 0:
        raise SlurmSilent(f"{command[0]}: {' '.join(error.split()) or f'exit code {running.returncode}'}")
    return out, error


def _entry(fields: Sequence[str]) -> Entry:
    job_id, index, state, owner, priority, partition, nodes, reason, name = fields
    return Entry(
        job_id=job_id,
        elements=elements_of(index),
        state=state,
        user=owner,
        priority=int(priority) if priority.isdecimal() else 0,
        partition=partition,
        nodes=nodes,
        reason=reason,
        name=name,
    )


def names(entry: Entry) -> Iterator[str]:
    """The ids of a line of the queue, one for each element: `123_4`, or `123` where it is no array."""
    if entry.elements is None:
        yield entry.job_id
    else:
        yield from (f"{entry.job_id}_{index}" for index in entry.elements)
