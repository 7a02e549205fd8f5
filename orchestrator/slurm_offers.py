"""What a Slurm cluster offers and allows, and what jobs used of it: questions that are asked now and then."""

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator import slurm

COMMANDS = ("sbatch", "squeue", "scontrol", "scancel", "srun", "sacct")
# A node in one of these takes no jobs for now.
_UNUSABLE = frozenset({"DOWN", "DRAIN", "FAIL", "FAILING", "ERROR", "NOT_RESPONDING", "MAINT", "UNKNOWN"})
_ASSOCIATION = "Account,Partition,MaxJobs,MaxSubmitJobs,GrpSubmitJobs,QOS"
_USED_FORMAT = "JobID,ElapsedRaw,TimelimitRaw,TotalCPU,MaxRSS,TRESUsageInMax,Eligible,Start,JobName"
_BYTES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Node:
    """A node, as the controller has it."""

    name: str
    partitions: tuple[str, ...]
    has: Mapping[str, float]  # `CPUs`, `GiB`, and what gres there is: `gpu` in all, `gpu:a100` by type
    features: frozenset[str]
    flags: frozenset[str]  # IDLE, MIXED, DRAIN, ...

    @property
    def usable(self) -> bool:
        """Whether jobs may start there, now or when others end."""
        return not self.flags & _UNUSABLE


@dataclass(frozen=True)
class Association:
    """What an account lets us do; None where it says nothing."""

    account: str
    most_queued: int | None


@dataclass(frozen=True)
class Used:
    """What a job took, as the accounting has it; None where it has not."""

    elapsed: float
    limit: float | None  # seconds; None: unlimited
    cpu_seconds: float | None
    peak_bytes: int | None
    gpu_percent: int | None  # utilisation of its GPUs, where the site gathers that
    waited: float | None  # from when it could have started until it did


def found() -> dict[str, str | None]:
    """Where each command of Slurm lies; None for one that is not there."""
    return {name: shutil.which(name) for name in COMMANDS}


def nodes() -> list[Node]:
    """Every node. Raises slurm.SlurmSilent."""
    told = slurm.ask(["scontrol", "-a", "-o", "show", "node"])
    return [_node(fields) for line in told.splitlines() if "NodeName" in (fields := _fields(line))]


def accounting_answers() -> None:
    """Raises slurm.SlurmSilent where sacct cannot tell how jobs ended."""
    slurm.ask(["sacct", "-n", "-P", "-X", "-j", "1", "-o", "JobID"])


def associations() -> list[Association]:
    """The accounts that we may use, and how many jobs they let us queue. Raises slurm.SlurmSilent."""
    command = ["sacctmgr", "-n", "-P", "show", "assoc", "where", f"user={slurm.user()}"]
    told = slurm.ask([*command, f"format={_ASSOCIATION}"])
    rows = [line.split("|") for line in told.splitlines()]
    return [Association(row[0], _least(row[3:5])) for row in rows if len(row) == 6]


def used(jobs: Mapping[str, str], since: datetime) -> dict[str, Used]:
    """What jobs (`123`) and elements (`123_4`) took, by one call; what the accounting forgot is absent.

    `jobs` are names by id, as a controller that was killed may give an id to somebody else's job.
    Raises slurm.SlurmSilent where there is no accounting.
    """
    begin = since.strftime("%Y-%m-%dT%H:%M:%S")
    told = slurm.ask(
        ["sacct", "-n", "-P", "-S", begin, "-E", "now", "-j", ",".join(jobs), "-o", _USED_FORMAT]
    )
    steps: dict[str, list[list[str]]] = {}
    for line in told.splitlines():
        fields = line.split("|", 8)
        if len(fields) == 9:
            steps.setdefault(fields[0].partition(".")[0], []).append(fields)
    return {
        job: _used(rows)
        for job, rows in steps.items()
        if rows[0][0] == job and rows[0][8] == jobs.get(job.partition("_")[0]) and _begun(rows[0])
    }


def minutes(text: str) -> float | None:
    """A time as Slurm writes it (`2-12:00:00`, `30:00`); None for no limit."""
    days, dash, rest = text.rpartition("-")
    if not re.fullmatch(r"\d+(:\d+){1,2}", rest):
        return None
    parts = [int(part) for part in rest.split(":")]
    # With days in front the hours come first, without them the last is the seconds.
    hours, of_hour, seconds = [*parts, 0, 0][:3] if dash else [0, 0, *parts][-3:]
    return int(days or 0) * 1440 + hours * 60 + of_hour + seconds / 60


def gres_counts(text: str) -> Counter[str]:
    """How many of each in `gpu:a100:4(S:0-1),mps:400`: by name (`gpu`) and, where told, by type too."""
    counts: Counter[str] = Counter()
    for part in re.sub(r"\(.*?\)", "", text).split(","):
        name, *rest = part.strip().removeprefix("gres/").split(":")
        if name in ("", "null"):
            continue
        n = int(rest.pop()) if rest and rest[-1].isdecimal() else 1
        counts[name] += n
        if rest:
            counts[f"{name}:{rest[0]}"] += n
    return counts


def _fields(line: str) -> dict[str, str]:
    """`Name=value` pairs; the first counts, as free text comes last."""
    fields: dict[str, str] = {}
    for part in line.split():
        name, equals, value = part.partition("=")
        if equals:
            fields.setdefault(name, value)
    return fields


def _node(fields: Mapping[str, str]) -> Node:
    return Node(
        name=fields["NodeName"],
        partitions=tuple(fields.get("Partitions", "").split(",")),
        has={
            "CPUs": int(fields.get("CPUEfctv") or fields.get("CPUTot", "0")),
            "GiB": int(fields.get("RealMemory", "0")) / 1024,
            **gres_counts(fields.get("Gres", "")),
        },
        features=frozenset(fields.get("AvailableFeatures", "").split(",")),
        flags=frozenset(re.split(r"[+*]", fields.get("State", "UNKNOWN"))),
    )


def _least(limits: Sequence[str]) -> int | None:
    return min((int(limit) for limit in limits if limit.isdecimal()), default=None)


def _begun(row: Sequence[str]) -> bool:
    return row[7] not in ("Unknown", "None", "")


def _used(rows: Sequence[Sequence[str]]) -> Used:
    """The first row is the job's own, the others are its steps'."""
    _, elapsed, limit, cpu, _, _, eligible, start, _ = rows[0]
    gathered = [_gathered(row[5]) for row in rows]
    peaks = [_bytes(row[4]) for row in rows] + [_bytes(known.get("mem", "")) for known in gathered]
    loads = [int(known["gres/gpuutil"]) for known in gathered if known.get("gres/gpuutil", "").isdecimal()]
    return Used(
        elapsed=float(elapsed),
        limit=60.0 * int(limit) if limit.isdecimal() else None,
        cpu_seconds=_clock_seconds(cpu),
        peak_bytes=max((peak for peak in peaks if peak), default=None),
        gpu_percent=max(loads, default=None),
        waited=_between(eligible, start),
    )


def _gathered(text: str) -> dict[str, str]:
    """`cpu=00:00:13,mem=523802K` by name."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name: value for name, equals, value in pairs if equals}


def _bytes(text: str) -> int | None:
    known = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text)
    return round(float(known[1]) * _BYTES[known[2]]) if known else None


def _clock_seconds(text: str) -> float | None:
    """`1-02:03:04`, `02:03:04` or `03:04.567`; None for nothing, which a short job is often given."""
    known = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)", text)
    if not known:
        return None
    days, hours, of_hour, seconds = known.groups()
    return int(days or 0) * 86400 + int(hours or 0) * 3600 + int(of_hour) * 60 + float(seconds) or None


def _between(first: str, then: str) -> float | None:
    try:
        seconds = (datetime.fromisoformat(then) - datetime.fromisoformat(first)).total_seconds()
    except ValueError:
        return None
    return max(seconds, 0.0)
