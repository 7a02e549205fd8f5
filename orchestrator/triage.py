"""What a failure means: whether to try again, with what changed, and what a person should do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.settings import LocalCluster, SlurmCluster

Attempt = Mapping[str, Any]  # `cause`, `node`, `message`, ...: see `ledger.Attempts`


@dataclass(frozen=True)
class Policy:
    """What is done about one cause."""

    tries: int  # in all; then the artifact has failed
    advice: str
    elsewhere: bool = False  # only another job, with other resources or on another node, can do better
    stops_run: bool = False  # every other artifact would meet the same
    alone: bool = False  # says nothing about any other artifact, however often it comes


POLICIES: Mapping[str, Policy] = {
    "bad input": Policy(1, "correct the input that the message names, then run again"),
    "import error": Policy(1, "install what is missing where the stages run, then run again", stops_run=True),
    "loss not finite": Policy(
        1, "lower train.learning_rate, or look at the rows that the message names", alone=True
    ),
    "loss diverged": Policy(1, "lower train.learning_rate, or give it a longer warm-up", alone=True),
    "disk full": Policy(1, "free disk space, then run again", stops_run=True),
    "out of GPU memory": Policy(5, "ask for larger or more GPUs (++cluster.stages.checkpoint.gpus=2)"),
    "out of memory": Policy(
        3, "ask for more memory (++cluster.stages.<stage>.memory_gib=...)", elsewhere=True
    ),
    "time limit": Policy(20, "ask for more time (++cluster.stages.<stage>.minutes=...)", elsewhere=True),
    "preempted": Policy(100, "choose a partition or qos that is preempted less", elsewhere=True),
    "node failed": Policy(5, "exclude the nodes named here (cluster.resources.exclude=...)", elsewhere=True),
    "cancelled": Policy(3, "somebody cancelled its jobs: ask who, then retry", elsewhere=True),
    "lost": Policy(3, "its jobs ended and nobody knows why: see the log", elsewhere=True),
    "killed": Policy(2, "if nobody killed the stage process, memory ran out: give it more"),
    "grader hang": Policy(2, "see the completion that the message names"),
    "unknown": Policy(1, "see the log"),
}


@dataclass(frozen=True)
class Adjustments:
    """What the next try gets that the first one did not have; identity knows nothing of it."""

    micro_batches: int = 1  # parts that a batch is taken in
    memory_factor: float = 1.0
    time_factor: float = 1.0
    avoid: tuple[str, ...] = ()  # nodes


UNTRIED = Adjustments()


def policy(cause: str) -> Policy:
    """Of a cause; one that nobody foresaw is unknown."""
    return POLICIES.get(cause, POLICIES["unknown"])


def final(attempts: Sequence[Attempt], cluster: LocalCluster | SlurmCluster) -> bool:
    """Whether the last of these attempts was one too many: there is none left for its cause."""
    if not attempts:
        return False
    cause = attempts[-1]["cause"]
    known = policy(cause)
    if known.elsewhere and cluster.kind == "local":
        return True  # there is no elsewhere
    return Counter(attempt["cause"] for attempt in attempts)[cause] >= cluster.tries.get(cause, known.tries)


def adjustments(attempts: Sequence[Attempt]) -> Adjustments:
    """What these attempts teach for the next: half the micro-batch, twice the memory or time, other nodes."""
    if not attempts:
        return UNTRIED
    count = Counter(attempt["cause"] for attempt in attempts)
    failed_nodes = [attempt["node"] for attempt in attempts if attempt["cause"] == "node failed"]
    return Adjustments(
        micro_batches=2 ** count["out of GPU memory"],
        memory_factor=2.0 ** count["out of memory"],
        time_factor=2.0 ** count["time limit"],
        avoid=tuple(sorted({node for node in failed_nodes if node})),
    )
