"""What `doctor` examines: how jobs would run, where their results go, and what they would make."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator import check, disk, slurm
from orchestrator.compose import Grid
from orchestrator.estimate import Cost
from orchestrator.findings import Finding
from orchestrator.identity import Artifact
from orchestrator.note import read_note
from orchestrator.pools import SERVER
from orchestrator.prepare import prepare
from orchestrator.references import Reference
from orchestrator.refusal import Refused
from orchestrator.saved import Saved
from orchestrator.settings import Settings
from orchestrator.stages import StageFailed
from orchestrator.study import find

# Overrides that describe cells; without one of them only the cluster is looked at.
DESCRIBE_CELLS = frozenset({"experiment", "amount"})


@dataclass(frozen=True)
class Plan:
    """What is to be made, and its predicted cost by key."""

    artifacts: Mapping[str, Artifact]
    to_make: Mapping[str, Artifact]
    seconds: Mapping[str, float]
    needed_bytes: int  # on disk, for what is to be made

    @property
    def sources(self) -> list[Mapping[str, Any]]:
        """The tables that its stages read."""
        places = {digest: place for made in self.to_make.values() for digest, place in made.places.items()}
        return [place for digest, place in places.items() if digest != SERVER]


@dataclass(frozen=True)
class Subject:
    """A study, or nothing but a cluster."""

    settings: Settings
    outputs: Path
    plan: Plan | None = None
    found: tuple[Finding, ...] = field(default=())  # on the way here


def completed(overrides: Sequence[str], outputs: Path) -> list[str]:
    """Overrides that compose: what only a study needs is filled in where none is described.

    Nothing at all means the cluster behind this machine, or the machine where there is none.
    """
    given = _names(overrides)
    filled: dict[str, str] = {}
    if not given - {"outputs"}:
        filled["cluster"] = "slurm" if slurm.present() else "local"
    if "outputs" not in given:
        filled["outputs"] = f"'{outputs}'"
    if not given & {"experiment", "study"}:
        filled["study"] = "doctor"
    if not given & DESCRIBE_CELLS:
        filled["amount"] = "0"
    return [*overrides, *(f"{name}={value}" for name, value in filled.items())]


def of_grid(grid: Grid, overrides: Sequence[str]) -> Subject:
    """Raises Refused for settings that are none; cells that cannot be planned are a finding."""
    settings = check.settings(grid.settings)
    outputs = Path(settings.outputs).expanduser().resolve()
    if not _names(overrides) & DESCRIBE_CELLS:
        return Subject(settings, outputs)
    try:
        prepared = prepare(settings, check.cells(grid.points), ())
    except (Refused, StageFailed) as trouble:
        remedy = "mend that first; all else was looked at without a plan"
        return Subject(settings, outputs, found=(Finding("plan", str(trouble), "bad", remedy),))
    told = f"{len(prepared.plan.cells)} cells, {len(prepared.to_make)} artifacts to make"
    plan = Plan(
        prepared.plan.artifacts,
        prepared.to_make,
        {key: cost.seconds for key, cost in prepared.costs.items()},
        prepared.need.n_bytes,
    )
    return Subject(settings, outputs, plan, (Finding("plan", told),))


def of_study(name: str, outputs: Path) -> Subject:
    """As its last run had it; where it never ran, as its plan has it. Raises Refused where there is none."""
    study = find(name, outputs)
    saved = Saved.newest(study)
    run = study.newest_run()
    if run is not None:
        settings = read_note(study.jobs(run)).settings
    else:
        settings = Settings.model_validate(saved.document["settings"])
    left = saved.left(saved.states())
    source = f"run {run}" if run else "the plan"
    told = f"plan {saved.number}, settings of {source}; {len(left)} artifacts to make"
    costs = {key: Cost(**known["cost"]) for key, known in saved.document["artifacts"].items()}
    kept = Reference.of(study.name, saved.document, settings.keep).kept
    needed = disk.need(left, costs, kept, settings.cluster.at_once)
    plan = Plan(saved.artifacts, left, saved.seconds, needed.n_bytes)
    return Subject(settings, study.outputs, plan, (Finding("study", told),))


def _names(overrides: Iterable[str]) -> set[str]:
    return {override.partition("=")[0].lstrip("+") for override in overrides}
