"""What a design will show before it is run: the interval expected, what it resolves, what to run next."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analysis.laws import Floats
from analysis.least_squares import Level
from analysis.power import (
    Design,
    NextCell,
    Scatter,
    half_width,
    items_needed,
    level_of,
    next_cells,
    power,
    seeds_needed,
    smallest_difference,
)


@dataclass(frozen=True)
class Cost:
    """What one run costs, in `unit`: fixed, and for each unit of the amount."""

    fixed: float
    per_example: float
    unit: str

    def of(self, amounts: Floats) -> Floats:
        """The cost of a run at each amount."""
        return self.fixed + self.per_example * amounts


@dataclass(frozen=True)
class Outlook:
    """What it takes to find one difference of slopes; None: no number up to a thousand seeds, or of items."""

    difference: float
    power: float  # of the design as it is
    seeds_by_chains: int | None  # as comparisons of three chains and more are reported
    seeds_by_runs: int | None  # if runs of a chain shared no luck
    seeds_with_a_doubling_more: int | None  # by chains, with twice the largest amount added
    items: int | None  # with the seeds of the design


@dataclass(frozen=True)
class Prospect:
    """A design and what can be expected of it, in the unit of the values."""

    design: Design
    scatter: Scatter
    wanted: float
    half_width: float | None
    smallest_difference: float | None
    outlooks: tuple[Outlook, ...]
    cost: Cost
    next_cells: tuple[NextCell, ...]


def prospect(
    design: Design, scatter: Scatter, differences: Sequence[float], wanted: float, cost: Cost
) -> Prospect:
    """Look ahead. The next cells are one more run at each amount, and at one doubling below and above."""
    amounts = np.array(design.amounts)
    candidates = [amounts.min() / 2, *design.amounts, amounts.max() * 2]
    further = tuple(next_cells(np.tile(amounts, design.seeds), candidates, cost.of(np.array(candidates))))
    return Prospect(
        design=design,
        scatter=scatter,
        wanted=wanted,
        half_width=half_width(design, scatter),
        smallest_difference=smallest_difference(design, scatter, wanted),
        outlooks=tuple(_outlook(difference, design, scatter, wanted) for difference in differences),
        cost=cost,
        next_cells=further,
    )


def prospect_json(found: Prospect) -> dict[str, Any]:
    """The prospect for machines."""
    return {
        "amounts": list(found.design.amounts),
        "seeds": found.design.seeds,
        "run_sd": found.scatter.run_sd,
        "scatter": asdict(found.scatter),
        "power": found.wanted,
        "half_width": found.half_width,
        "smallest_difference": found.smallest_difference,
        "differences": [asdict(one) for one in found.outlooks],
        "next": [{**asdict(cell), "per_hour": cell.per_hour} for cell in found.next_cells],
        "cost_unit": found.cost.unit,
    }


def _outlook(difference: float, design: Design, scatter: Scatter, wanted: float) -> Outlook:
    wider = (*design.amounts, 2 * max(design.amounts))
    return Outlook(
        difference=difference,
        power=power(difference, design, scatter, level_of(design.seeds)),
        seeds_by_chains=seeds_needed(difference, design.amounts, scatter, Level.CHAIN, wanted),
        seeds_by_runs=seeds_needed(difference, design.amounts, scatter, Level.RUN, wanted),
        seeds_with_a_doubling_more=seeds_needed(difference, wider, scatter, Level.CHAIN, wanted),
        items=items_needed(difference, design, scatter, wanted),
    )
