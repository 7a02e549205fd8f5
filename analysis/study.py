"""A study as its files tell it: the newest plan, and the manifests of what is complete."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.artifacts import Store
from orchestrator.identity import Kind
from orchestrator.refusal import Refused
from orchestrator.settings import Analysis
from orchestrator.study import StudyFolder

# Axes that tell replicates apart or lie on the abscissa; all others tell curves apart.
RUN_AXES = ("amount", "subset_seed", "train_seed")


@dataclass(frozen=True)
class Study:
    """One plan, and the manifests of those of its artifacts that are complete."""

    folder: StudyFolder
    plan: int
    analysis: Analysis
    cells: tuple[Mapping[str, Any], ...]
    artifacts: Mapping[str, Mapping[str, Any]]
    manifests: Mapping[str, Mapping[str, Any]]

    @property
    def settings(self) -> tuple[str, ...]:
        """The axes besides strategy, amount and seeds in which curves differ; references are no curves."""
        axes = [cell["axes"] for cell in self.cells if not cell["reference"]]
        names = dict.fromkeys(name for each in axes for name in each if name not in (*RUN_AXES, "strategy"))
        return tuple(name for name in names if len({str(each.get(name)) for each in axes}) > 1)

    def pass_ends(self) -> dict[str, int]:
        """For each strategy the amount at which its first pass over the sources ends.

        Known where the pool is made, and only for the order `breadth`, which takes one row of each source
        before any second one.
        """
        ends: dict[str, int] = {}
        for cell in self.cells:
            manifest = self.manifests.get(cell["artifacts"]["pool"] or "")
            if manifest and cell["cell"]["subset"]["order"] == "breadth" and not cell["reference"]:
                ends[cell["axes"]["strategy"]] = manifest["summary"]["n_sources"]
        return ends


def read_study(folder: Path) -> Study:
    """The study in `<outputs>/studies/<name>`. Raises Refused where there is no readable plan."""
    root = folder.resolve()
    where = StudyFolder(root.parent.parent, root.name)
    try:
        newest = where.latest()
    except (OSError, ValueError) as error:
        raise Refused(f"the plan in {where.plans} cannot be read ({error}); run the study again") from error
    if newest is None:
        raise Refused(f"{folder} holds no plans/<n>.json: name a study's folder, or run the study first")
    number, document = newest
    try:
        analysis = Analysis.model_validate(document["settings"]["analysis"])
        return Study(
            folder=where,
            plan=number,
            analysis=analysis,
            cells=tuple(document["cells"]),
            artifacts=document["artifacts"],
            manifests=_manifests(Store(where.outputs), document["artifacts"]),
        )
    except (KeyError, TypeError, ValidationError) as error:
        problem = " ".join(str(error).split())
        raise Refused(f"plan {number} of {folder} is not as docs/records.md has it: {problem}") from error


def _manifests(store: Store, artifacts: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The manifests there are, by key."""
    found: dict[str, Mapping[str, Any]] = {}
    for key, artifact in artifacts.items():
        kind: Kind = artifact["kind"]
        if store.has(kind, key):
            found[key] = store.manifest(kind, key)
    return found
