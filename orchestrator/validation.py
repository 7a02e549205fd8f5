"""What is held out for choosing hyperparameters, and what may not be mixed with it."""

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.cell import Cell
from orchestrator.refusal import Refused
from orchestrator.specs import HeldOutSource

VALIDATION = "validation"


def check(cell: Cell, name: str) -> None:
    """Raises Refused for a benchmark of held-out sources that training does not hold out."""
    benchmark = cell.evaluate.benchmarks[name]
    source = benchmark.source
    if not isinstance(source, HeldOutSource):
        return
    if benchmark.role != VALIDATION:
        raise Refused(
            f"evaluate.benchmarks.{name}.role={benchmark.role}, but its items are held out of the seed "
            "problems to choose hyperparameters on: role=validation keeps them apart from test results"
        )
    if source.of != cell.data.seed or source.validation != cell.data.validation:
        raise Refused(
            f"evaluate.benchmarks.{name} asks sources that data.validation does not hold out of the pools: "
            "its source should be {kind: held_out, of: ${data.seed}, validation: ${data.validation}}"
        )


def only(cells: Iterable[Mapping[str, Any]]) -> bool:
    """Whether no cell of a plan is asked a test: then there is something to choose and nothing to report."""
    roles = (one["role"] for cell in cells for one in cell["cell"]["evaluate"]["benchmarks"].values())
    return all(role == VALIDATION for role in roles)
