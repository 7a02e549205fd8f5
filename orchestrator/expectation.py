"""What a plan will show: asked of the analysis once per plan, JSON in and out."""

import subprocess
import sys
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from orchestrator import validation
from orchestrator.cell import Cell
from orchestrator.prepare import Prepared
from orchestrator.specs import Spec, SymbolicSource

# An answer takes two seconds; a plan waits no longer than this for it.
PATIENCE = 60.0


class PlannedDesign(Spec):
    """The points of one curve: distinct amounts above 0, and chains of seeds."""

    amounts: Annotated[tuple[float, ...], Field(strict=False)]
    seeds: int


class Planned(Spec):
    """The question: designs, and what is known of how runs will scatter."""

    metric: Literal["accuracy", "nll"]
    study: str | None  # folder of the study where it has plans already
    n_items: int | None  # of the smallest benchmark in domain, where the plan knows it
    designs: Annotated[tuple[PlannedDesign, ...], Field(strict=False)]


class Expected(Spec):
    """Of one design: half the width of a slope's 95 % interval, and the least difference it finds."""

    half_width: float | None
    smallest_difference: float | None


class Expectation(Spec):
    """The answer, in the order of the designs asked about."""

    unit: str
    target: str
    basis: str  # where the scatter is from
    run_sd: float
    power: float  # with which the smallest difference is found
    designs: Annotated[tuple[Expected, ...], Field(strict=False)]


def designs(prepared: Prepared) -> list[PlannedDesign]:
    """The different designs of the plan's curves."""
    points: dict[tuple[str, str], list[tuple[int, tuple[int, int]]]] = {}
    for planned, drawn_as in zip(prepared.plan.cells, prepared.references, strict=True):
        if drawn_as is None and planned.amount > 0:
            cell = planned.cell
            seeds = (cell.subset_seed, cell.train_seed)
            points.setdefault((cell.strategy.name, cell.model.name), []).append((planned.amount, seeds))
    found = (_design(curve) for curve in points.values())
    return list(dict.fromkeys(found))


def expectation(prepared: Prepared) -> Expectation | None:
    """The expected intervals; None where there is no curve, or the analysis gives no answer."""
    asked = designs(prepared)
    if not asked or validation.only(prepared.document()["cells"]):
        return None
    study = prepared.study.root if prepared.study.plans.is_dir() else None
    question = Planned(
        metric=prepared.settings.analysis.metric,
        study=str(study) if study else None,
        n_items=_n_items(planned.cell for planned in prepared.plan.cells),
        designs=tuple(asked),
    )
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "analysis.expect"],
            input=question.model_dump_json(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        return Expectation.model_validate_json(ended.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        # A plan is worth having without an outlook.
        return None


def _design(curve: list[tuple[int, tuple[int, int]]]) -> PlannedDesign:
    amounts = sorted({float(amount) for amount, _ in curve})
    return PlannedDesign(amounts=tuple(amounts), seeds=len({seeds for _, seeds in curve}))


def _n_items(cells: Iterable[Cell]) -> int | None:
    """Items of the smallest benchmark in domain; None where one is a table: only a stage counts its rows."""
    sources = [
        benchmark.source
        for cell in cells
        for benchmark in cell.evaluate.benchmarks.values()
        if benchmark.role == "in_domain"
    ]
    counts = {source.n_items if isinstance(source, SymbolicSource) else None for source in sources}
    known = [count for count in counts if count is not None]
    return min(known) if known and None not in counts else None
