"""Judges what a study asks of a cluster against what the cluster offers; touches nothing."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.findings import Finding
from orchestrator.identity import ALWAYS, Kind
from orchestrator.settings import Resources, SlurmCluster
from orchestrator.slurm_offers import Association, Node, gres_counts, minutes


@dataclass(frozen=True)
class Shape:
    """What some of a study's jobs ask for."""

    stages: tuple[Kind, ...]  # that such jobs make
    resources: Resources
    n_jobs: int | None = None  # of a plan

    @property
    def name(self) -> str:
        """As a check is called."""
        return "all stages" if set(self.stages) >= ALWAYS else ", ".join(self.stages)


@dataclass(frozen=True)
class Offer:
    """What the controller says there is."""

    configuration: Mapping[str, str]
    partitions: Mapping[str, Mapping[str, str]]
    nodes: Sequence[Node]


def commands(found: Mapping[str, str | None]) -> Finding:
    """Which commands of Slurm are here. Without sacct everything works, and less is known."""
    missing = [name for name, path in found.items() if path is None]
    if not missing:
        return Finding("commands", ", ".join(found))
    if missing == ["sacct"]:
        lost = "how jobs ended is known only while squeue shows them"
        return Finding("commands", f"sacct is missing: {lost}", "warn", "none needed; ask the site for sacct")
    return Finding(
        "commands",
        f"not on the PATH: {', '.join(missing)}",
        "bad",
        "run on a login node, or `module load slurm`",
    )


def accounting(configuration: Mapping[str, str], silence: str | None) -> Finding:
    """`silence`: what sacct said instead of an answer."""
    if silence is None:
        return Finding("accounting", f"sacct answers ({configuration.get('AccountingStorageType', '?')})")
    lost = "nothing essential is lost: jobs that squeue has forgotten count as 'lost' and are tried again"
    return Finding(
        "accounting", f"no accounting ({silence})", "warn", f"{lost}; `efficiency` reads the manifests"
    )


def arrays(cluster: SlurmCluster, offer: Offer, n_jobs: int | None) -> Finding:
    """Whether arrays are allowed, and into how many one stage may have to be split."""
    longest = int(offer.configuration.get("MaxArraySize", "1001"))
    if longest < 2:
        return Finding(
            "arrays", f"MaxArraySize={longest}: no arrays", "bad", "ask the site to allow arrays of jobs"
        )
    most = offer.configuration.get("MaxJobCount", "?")
    needed = f"; this study needs {n_jobs} jobs" if n_jobs is not None else ""
    at_once = f", {cluster.max_parallel} at once" if cluster.max_parallel else ""
    return Finding("arrays", f"up to {longest} elements, {most} jobs of all users{needed}{at_once}")


def submit_limits(
    cluster: SlurmCluster, known: Sequence[Association] | None, configuration: Mapping[str, str], n_jobs: int
) -> Finding:
    """Whether the account may be used, and how many jobs it lets us queue; None: sacctmgr does not answer."""
    if known is None:
        return Finding("submit limits", "not told (sacctmgr does not answer); a full queue is waited for")
    account = cluster.resources.account
    ours = [association for association in known if account in (None, association.account)]
    enforced = configuration.get("AccountingStorageEnforce", "none")
    if not ours and "associations" in enforced:
        there = ", ".join(sorted({association.account for association in known})) or "none"
        return Finding(
            "submit limits",
            f"account {account or 'of yours'} is not there; yours: {there}",
            "bad",
            "set cluster.resources.account, or ask the site for an account",
        )
    most = min((limit.most_queued for limit in ours if limit.most_queued is not None), default=None)
    if most is None:
        return Finding("submit limits", "none for you")
    told = f"{most} jobs of yours may be queued"
    if n_jobs + 1 <= most or cluster.max_queued is not None:
        return Finding("submit limits", told)
    return Finding(
        "submit limits",
        f"{told}, this study has {n_jobs}",
        "warn",
        f"cluster.max_queued={most} spares refused calls; the rest is submitted as jobs end",
    )


def shape(asked: Shape, cluster: SlurmCluster, offer: Offer) -> list[Finding]:
    """Partition, time limit and nodes of one kind of jobs."""
    names = _partitions(asked.resources, offer)
    there = [name for name in names if offer.partitions.get(name, {}).get("State", "UP") == "UP"]
    unknown = [name for name in names if name not in offer.partitions]
    if unknown or not there:
        return [_no_partition(asked, cluster, offer, unknown or names)]
    limits = [offer.partitions[name] for name in there]
    nodes = [node for node in offer.nodes if set(node.partitions) & set(there)]
    return [_time(asked, cluster, there, limits), *_nodes(asked, cluster, there, nodes)]


def gpus(resources: Resources) -> int:
    """Per node, in whichever way they are asked for."""
    return resources.gpus or gres_counts(resources.gres or "")["gpu"]


def key(cluster: SlurmCluster, asked: Shape, name: str) -> str:
    """The key that a person would change: of the stage where it has one of its own, else of all jobs."""
    stage = asked.stages[0]
    changes = cluster.stages.get(stage)
    if changes is not None and getattr(changes, name) is not None:
        return f"cluster.stages.{stage}.{name}"
    return f"cluster.resources.{name}"


def _partitions(resources: Resources, offer: Offer) -> list[str]:
    if resources.partition is not None:
        return resources.partition.split(",")
    return [name for name, known in offer.partitions.items() if known.get("Default") == "YES"]


def _no_partition(asked: Shape, cluster: SlurmCluster, offer: Offer, names: Sequence[str]) -> Finding:
    up = [name for name, known in offer.partitions.items() if known.get("State", "UP") == "UP"]
    if not names:
        told = "no partition is asked for, and the cluster has no default"
    elif names[0] not in offer.partitions:
        told = f"there is no partition {names[0]}"
    else:
        told = f"partition {', '.join(names)} is {offer.partitions[names[0]]['State']}"
    remedy = f"set {key(cluster, asked, 'partition')} to one of {', '.join(up) or 'none'}"
    return Finding(f"{asked.name}: partition", told, "bad", remedy)


def _time(
    asked: Shape, cluster: SlurmCluster, names: Sequence[str], limits: Iterable[Mapping[str, str]]
) -> Finding:
    wanted = asked.resources.minutes
    allowed = [minutes(limit.get("MaxTime", "UNLIMITED")) for limit in limits]
    longest = None if None in allowed else max(limit for limit in allowed if limit is not None)
    check, place = f"{asked.name}: time limit", ", ".join(names)
    if longest is None:
        return Finding(check, f"{wanted:g} min; {place} has no limit")
    if wanted <= longest:
        return Finding(check, f"{wanted:g} min of the {longest:g} that {place} allows")
    declared = key(cluster, asked, "minutes")
    return Finding(
        check,
        f"{wanted:g} min are asked for, {place} allows {longest:g}: such jobs never start",
        "bad",
        f"{declared}={longest:g} cluster.most_minutes={longest:g} (what runs out of time goes on from "
        "where it was), or another partition",
    )


@dataclass(frozen=True)
class _Wish:
    """So much of one thing on every node of a job."""

    what: str  # as `Node.has` calls it
    amount: float
    key: str  # of the resources

    def met_by(self, node: Node) -> bool:
        """Whether a node has that much."""
        return node.has.get(self.what, 0) >= self.amount

    def __str__(self) -> str:
        return f"{self.amount:g} {self.what}"


def _nodes(asked: Shape, cluster: SlurmCluster, names: Sequence[str], nodes: Sequence[Node]) -> list[Finding]:
    """Which single wish no node meets; else whether enough nodes meet all of them, now or at all."""
    wishes, place = _wishes(asked.resources), ", ".join(names)
    refused = [
        Finding(
            f"{asked.name}: {wish.what}",
            f"{wish} per node are asked for; nodes of {place} have at most "
            f"{max((node.has.get(wish.what, 0) for node in nodes), default=0):.4g}",
            "bad",
            f"lower {key(cluster, asked, wish.key)}, or choose another partition",
        )
        for wish in wishes
        if not any(wish.met_by(node) for node in nodes)
    ]
    if refused:
        return refused
    fit = [
        node
        for node in nodes
        if all(wish.met_by(node) for wish in wishes) and _has_feature(node, asked.resources.constraint)
    ]
    usable = [node for node in fit if node.usable]
    feature = f" and {asked.resources.constraint}" if asked.resources.constraint else ""
    text = f"{len(usable)} of {len(nodes)} nodes of {place} have {', '.join(map(str, wishes))}{feature}"
    check, wanted = f"{asked.name}: nodes", asked.resources.nodes
    if len(fit) < wanted:
        lower = f"lower {key(cluster, asked, 'nodes')} or what every node must have"
        return [Finding(check, f"{text}; {wanted} are asked for at once", "bad", lower)]
    if len(usable) < wanted:
        away = ", ".join(f"{node.name} is {'+'.join(sorted(node.flags))}" for node in fit if not node.usable)
        return [Finding(check, f"{text}; {away}", "warn", "jobs wait until the site brings nodes back")]
    return [Finding(check, text)]


def _wishes(resources: Resources) -> list[_Wish]:
    wishes = [_Wish("CPUs", resources.cpus, "cpus"), _Wish("GiB", resources.memory_gib, "memory_gib")]
    if resources.gpus:
        wishes.append(_Wish("gpu", resources.gpus, "gpus"))
    # Of `gpu` and `gpu:a100` the longer name says more.
    asked = gres_counts(resources.gres or "")
    precise = [name for name in asked if not any(other.startswith(f"{name}:") for other in asked)]
    return wishes + [_Wish(name, asked[name], "gres") for name in precise]


def _has_feature(node: Node, constraint: str | None) -> bool:
    """Slurm itself is asked about constraints that are more than a name."""
    simple = constraint is not None and re.fullmatch(r"[\w.-]+", constraint) is not None
    return not simple or constraint in node.features
