"""The folder of a study: plans, jobs, code, report. The only place that spells their names."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cell import Cell
from orchestrator.estimate import Cost
from orchestrator.files import write_text
from orchestrator.identity import Artifact, inputs_first, made_of
from orchestrator.ledger import State
from orchestrator.plan import Audit, Plan, PlannedCell
from orchestrator.planfile import fingerprint, read_artifacts, read_plan, write_index, write_plan
from orchestrator.price import bill
from orchestrator.refusal import Refused
from orchestrator.settings import Settings
from orchestrator.specs import Spec


@dataclass(frozen=True)
class StudyFolder:
    """`<outputs>/studies/<name>`."""

    outputs: Path
    name: str

    @property
    def root(self) -> Path:
        """The folder itself."""
        return self.outputs / "studies" / self.name

    @property
    def plans(self) -> Path:
        """Numbered plans, never changed once written."""
        return self.root / "plans"

    @property
    def code(self) -> Path:
        """Snapshots of the code that jobs run."""
        return self.root / "code"

    @property
    def cells_table(self) -> Path:
        """One row per cell, rewritten after each run."""
        return self.root / "cells.csv"

    @property
    def audit_table(self) -> Path:
        """What trunks that are shared change, where the study audits that."""
        return self.root / "audit.csv"

    def jobs(self, run: str) -> Path:
        """Notes and logs of one run's jobs."""
        return self.root / "jobs" / run

    def plan(self, number: int) -> dict[str, Any]:
        """The content of a plan."""
        return read_plan(self.plans / f"{number}.json")

    def index(self, number: int, document: Mapping[str, Any]) -> None:
        """Lay a plan out so that jobs of a cluster can read what is theirs."""
        write_index(self.plans / f"{number}.json", document)

    def artifacts(self, number: int, keys: Iterable[str]) -> dict[str, Artifact]:
        """Some artifacts of a plan that has an index, with all that they are made from."""
        path = self.plans / f"{number}.json"
        asked = read_artifacts(path, keys)
        inputs = {key for known in asked.values() for key in known["inputs"].values()}
        return artifacts_of({"artifacts": {**read_artifacts(path, inputs), **asked}})

    def newest_run(self) -> str | None:
        """The name of the last run; names begin with their time."""
        return max((note.parent.name for note in self.root.glob("jobs/*/note.json")), default=None)

    def latest(self) -> tuple[int, dict[str, Any]] | None:
        """Number and content of the newest plan."""
        number = self.newest()
        return (number, self.plan(number)) if number else None

    def newest(self) -> int | None:
        """Number of the newest plan."""
        return max((int(path.stem) for path in self.plans.glob("*.json")), default=None)


def find(name_or_folder: str, outputs: Path) -> StudyFolder:
    """A study by its name or by its folder. Raises Refused with the names there are."""
    given = Path(name_or_folder).expanduser()
    if (given / "plans").is_dir():
        root = given.resolve()
        return StudyFolder(root.parent.parent, root.name)
    study = StudyFolder(outputs.expanduser().resolve(), name_or_folder)
    if not study.plans.is_dir() or study.newest() is None:
        there = sorted(path.name for path in (outputs / "studies").glob("*") if (path / "plans").is_dir())
        known = f"there are: {', '.join(there)}" if there else "there is none yet"
        raise Refused(
            f"no study '{name_or_folder}' under {outputs}/studies ({known}); `doublings run` makes one"
        )
    return study


def save_plan(study: StudyFolder, document: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
    """Write the next plan unless its grid is the newest one's; its number, and the plan it replaces."""
    while True:
        newest = study.latest()
        if newest and fingerprint(newest[1]) == fingerprint(document):
            return newest[0], None
        number = newest[0] + 1 if newest else 1
        path = study.plans / f"{number}.json"
        if not write_plan(path, {**document, "number": number}):
            # Another run of this study wrote a plan meanwhile; look at that one.
            continue
        return number, newest[1] if newest else None


def document(
    settings: Settings, plan: Plan, references: Mapping[int, str | None], costs: Mapping[str, Cost]
) -> dict[str, Any]:
    """The plan as `plans/<n>.json` and `plan format=json` have it; `docs/records.md` is its schema."""
    dumped: dict[int, Any] = {}  # what cells share is dumped once
    cells = [_cell(cell, references[index], dumped) for index, cell in enumerate(plan.cells)]
    artifacts = {key: _artifact(artifact, costs[key]) for key, artifact in plan.artifacts.items()}
    gpus = bill(plan.artifacts, plan.artifacts, costs, settings.cluster)
    total = {
        "tokens": sum(cost.tokens for cost in costs.values()),
        "flops": sum(cost.flops for cost in costs.values()),
        "bytes": sum(cost.bytes for cost in costs.values()),
        "seconds": sum(cost.seconds for cost in costs.values()),
        "gpu_hours": gpus.gpu_hours,
        "price": gpus.price,
    }
    return {
        "study": settings.study,
        "settings": settings.model_dump(mode="json"),
        "cells": cells,
        "artifacts": artifacts,
        "cost": total,
        **({"audits": [_audit(one) for one in plan.audits]} if plan.audits else {}),
    }


def artifacts_of(document: Mapping[str, Any]) -> dict[str, Artifact]:
    """The artifacts of a plan that was read from its file."""
    return {
        key: Artifact(known["kind"], key, known["spec"], known["inputs"], known["places"], known["label"])
        for key, known in document["artifacts"].items()
    }


def reference(cell: Cell, amount: int, lines: tuple[str, ...]) -> str | None:
    """As what line a cell is drawn, or None where it is a point of its curve."""
    if not amount:
        return "seed" if cell.subset.with_seed else "base"
    return cell.strategy.name if cell.strategy.name in lines else None


def save_cells(study: StudyFolder, document: Mapping[str, Any], states: Mapping[str, State]) -> None:
    """`cells.csv`: the axes of each cell, how far it is, and the keys of its artifacts."""
    rows = [_row(cell, states) for cell in document["cells"]]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(study.cells_table, text.getvalue())


def cell_state(cell: Mapping[str, Any], states: Mapping[str, State]) -> State:
    """How far a cell is: the state that holds it back, or complete."""
    keys = cell["artifacts"]
    records = {states[key] for key in keys["record"].values()}
    if records == {State.COMPLETE}:
        return State.COMPLETE
    made_from = (keys["pool"], keys["base"], keys["checkpoint"], *keys["completions"].values())
    # A cell names its pool even where it evaluates the base and nothing is to be made of the pool.
    way = {states[key] for key in made_from if key in states} | records
    for state in (State.FAILED, State.BLOCKED, State.RUNNING, State.READY):
        if state in way:
            return state
    return State.WAITING


def makings(cell: Mapping[str, Any], artifacts: Mapping[str, Artifact]) -> list[Artifact]:
    """All that a cell is made from, trunks and parts of mixtures too, each behind its inputs."""
    return inputs_first(made_of(cell["artifacts"]["record"].values(), artifacts).values())


def _audit(one: Audit) -> dict[str, Any]:
    records = {name: [one.shared.records[name], key] for name, key in one.alone.records.items()}
    checkpoints = [one.shared.checkpoint, one.alone.checkpoint]
    return {"way": one.way, "axes": dict(one.shared.axes), "checkpoint": checkpoints, "record": records}


def _row(cell: Mapping[str, Any], states: Mapping[str, State]) -> dict[str, Any]:
    keys = cell["artifacts"]
    named = {f"record_{name}": key for name, key in keys["record"].items()}
    return {
        **cell["axes"],
        "reference": cell["reference"] or "",
        "state": str(cell_state(cell, states)),
        "pool": keys["pool"],
        "base": keys["base"],
        "checkpoint": keys["checkpoint"] or "",
        **named,
    }


def _cell(planned: PlannedCell, drawn_as: str | None, dumped: dict[int, Any]) -> dict[str, Any]:
    def dump(part: Any) -> Any:
        if not isinstance(part, Spec):
            return part
        if id(part) not in dumped:
            dumped[id(part)] = part.model_dump(mode="json")
        return dumped[id(part)]

    return {
        "axes": dict(planned.axes),
        "cell": {name: dump(part) for name, part in planned.cell},
        "reference": drawn_as,
        "artifacts": {
            "pool": planned.pool,
            "base": planned.base,
            "checkpoint": planned.checkpoint,
            "completions": dict(planned.completions),
            "record": dict(planned.records),
        },
    }


def _artifact(artifact: Artifact, cost: Cost) -> dict[str, Any]:
    return {
        "kind": artifact.kind,
        "spec": artifact.spec,
        "inputs": dict(artifact.inputs),
        "places": dict(artifact.places),
        "label": artifact.label,
        "cost": {
            "tokens": cost.tokens,
            "flops": cost.flops,
            "bytes": cost.bytes,
            "seconds": round(cost.seconds, 1),
            "memory": cost.memory,
            "state": cost.state,
            "shared_tokens": cost.shared_tokens,
        },
    }
