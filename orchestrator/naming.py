"""What cells are called: their axes, and a line for people."""

from collections.abc import Mapping
from typing import Any

from orchestrator.cell import Cell


def axes_of(axes: Mapping[str, Any], cell: Cell, amount: int) -> dict[str, Any]:
    """What tells cells apart: what every study has, then whatever else this one varies."""
    known = {
        "model": cell.model.name,
        "strategy": cell.strategy.name,
        "amount": amount,
        "subset_seed": cell.subset_seed,
        "train_seed": cell.train_seed,
    }
    # `seed` only moves the other two.
    return {**known, **{name: value for name, value in axes.items() if name not in (*known, "seed")}}


def named(axes: Mapping[str, Any]) -> str:
    """A cell in one line."""
    return " ".join(f"{name}={value}" for name, value in axes.items())


def label(cell: Cell, amount: int) -> str:
    """Of a checkpoint, for people."""
    seeds = (
        f"seed {cell.train_seed}"
        if cell.subset_seed == cell.train_seed
        else f"subset seed {cell.subset_seed}, train seed {cell.train_seed}"
    )
    return f"{cell.strategy.name} {amount} {seeds}"
