"""Looks at a Slurm cluster: its commands, limits and nodes, and what small jobs see on those."""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator import (
    offer_checks,
    packing,
    probing,
    report_checks,
    shapes,
    slurm,
    slurm_jobs,
    slurm_offers,
    snapshot,
)
from orchestrator.findings import Finding, worst
from orchestrator.identity import KINDS, Artifact, Kind
from orchestrator.machine_checks import Here
from orchestrator.offer_checks import Offer, Shape
from orchestrator.refusal import Refused
from orchestrator.settings import Resources, SlurmCluster
from orchestrator.subject import Plan
from orchestrator.submit import Script, write_script
from orchestrator.triage import UNTRIED

NEEDED = ("sbatch", "squeue", "scontrol")


@dataclass(frozen=True)
class Site:
    """A cluster, and what is to run on it."""

    cluster: SlurmCluster
    plan: Plan | None
    shapes: tuple[Shape, ...]
    patience: float  # seconds that jobs of ours may take to report; with 0 none are sent

    @classmethod
    def of(cls, cluster: SlurmCluster, plan: Plan | None, patience: float) -> "Site":
        """The shapes of the plan's jobs; without one, of a job for each stage."""
        found = _planned(cluster, plan) if plan and plan.to_make else _declared(cluster)
        return cls(cluster, plan, tuple(found), patience)

    @property
    def n_jobs(self) -> int | None:
        """Of the plan."""
        return sum(shape.n_jobs or 0 for shape in self.shapes) if self.plan and self.plan.to_make else None


def look(site: Site, folder: Path | None, here: Here) -> Iterator[Finding]:
    """What Slurm says, then what small jobs see on the nodes, where there is a folder for them."""
    commands = slurm_offers.found()
    yield offer_checks.commands(commands)
    if not all(commands[name] for name in NEEDED):
        return
    try:
        offer = Offer(slurm.configuration(), slurm.partitions(), slurm_offers.nodes())
    except slurm.SlurmSilent as silence:
        yield Finding("controller", str(silence), "bad", "see `scontrol ping`; ask the site when it is back")
        return
    told = [offer.configuration.get(name, "?") for name in ("ClusterName", "SLURM_VERSION")]
    yield Finding("controller", "cluster '{}' answers, Slurm {}".format(*told))
    yield from _limits(site, offer)
    possible = []
    for number, shape in enumerate(site.shapes):
        judged = offer_checks.shape(shape, site.cluster, offer)
        if folder is not None:
            judged.append(_taken(site, shape, folder / f"shape-{number}"))
        yield from judged
        if worst(judged) != "bad":
            possible.append(shape)
    if folder is not None:
        yield from _jobs(site, possible, folder, here)


def _limits(site: Site, offer: Offer) -> Iterator[Finding]:
    try:
        slurm_offers.accounting_answers()
    except slurm.SlurmSilent as silence:
        yield offer_checks.accounting(offer.configuration, str(silence))
    else:
        yield offer_checks.accounting(offer.configuration, None)
    yield offer_checks.arrays(site.cluster, offer, site.n_jobs)
    try:
        known = slurm_offers.associations()
    except slurm.SlurmSilent:
        known = None
    yield offer_checks.submit_limits(site.cluster, known, offer.configuration, site.n_jobs or 0)


def _jobs(site: Site, possible: Sequence[Shape], folder: Path, here: Here) -> Iterator[Finding]:
    """What small jobs see that stand for those which could run."""
    if not site.patience:
        yield Finding("a job of doctor", "left out", "warn", "--wait 120 sends small jobs to the nodes")
        return
    code = snapshot.take(folder / "code").folder
    sources = site.plan.sources if site.plan else []
    mission = probing.Mission(site.cluster, folder / "probes", code, sys.executable, sources)
    needed = site.plan.needed_bytes if site.plan else None
    known = {"clock_ahead": here.clock_ahead, "packages": here.stage.get("packages", {})}
    try:
        for report in probing.send(mission, probing.distinct(possible), site.patience):
            yield from report_checks.node(report, site.cluster, known, needed, len(sources))
    except slurm.SlurmSilent as silence:
        yield Finding("a job of doctor", str(silence), "bad", "look again when Slurm answers")


def _taken(site: Site, shape: Shape, folder: Path) -> Finding:
    check = f"{shape.name}: sbatch"
    script = Script(folder, probing.NAME, shape.resources, ["true"], str(snapshot.ROOT), n_elements=1)
    try:
        told = slurm_jobs.would_start(write_script(script, site.cluster))
    except Refused as refusal:
        remedy = "see the lines above; else correct cluster.resources, cluster.stages or cluster.sbatch"
        return Finding(check, _said(str(refusal.__cause__ or refusal)), "bad", remedy)
    except slurm_jobs.SlurmFull as full:
        return Finding(check, f"takes no more jobs for now: {full}", "warn", "none needed; a run waits")
    except slurm.SlurmSilent as silence:
        return Finding(check, str(silence), "warn", "look again when Slurm answers")
    return Finding(check, _said(told) or "would take such a job")


def _said(text: str) -> str:
    """Without the name of the command and the number of a job that there never is."""
    plain = re.sub(r"\b(sbatch|error): ", "", text)
    return re.sub(r"^Job \d+ to start", "such a job would start", plain)


def _planned(cluster: SlurmCluster, plan: Plan) -> list[Shape]:
    """Of the arrays that a run would submit."""

    models = {key: shapes.model_of(artifact, plan.artifacts) for key, artifact in plan.to_make.items()}

    def resources_of(artifact: Artifact) -> Resources:
        return shapes.resources_for(cluster, artifact.kind, models[artifact.key], UNTRIED)

    found: dict[str, Shape] = {}
    for script in packing.jobs(cluster, plan.to_make, resources_of, plan.seconds, models):
        stages = {artifact.kind for element in script.elements for artifact in element}
        _add(found, script.resources, [kind for kind in KINDS if kind in stages], len(script.elements))
    return list(found.values())


def _declared(cluster: SlurmCluster) -> list[Shape]:
    """Of every stage, and of every model that asks for something else."""
    found: dict[str, Shape] = {}
    for kind in KINDS:
        for model in (None, *cluster.models):
            if model is None or kind in cluster.models[model]:
                resources = shapes.resources_for(cluster, kind, model, UNTRIED)
                _add(found, resources, [kind], None)
    return list(found.values())


def _add(found: dict[str, Shape], resources: Resources, stages: Sequence[Kind], n_jobs: int | None) -> None:
    """Jobs of equal resources are one shape."""
    name = resources.model_dump_json()
    known = found.get(name, Shape((), resources))
    in_all = None if n_jobs is None else (known.n_jobs or 0) + n_jobs
    found[name] = Shape(tuple(dict.fromkeys((*known.stages, *stages))), resources, in_all)
