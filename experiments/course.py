"""What is written of a training's steps: its course, and beside it what was measured on the way."""

from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from experiments.training import Step

COURSE, MEASURED = "training.parquet", "measured.parquet"
# Of a step, what no two runs of the same training need have in common.
OF_THE_RUN = ("seconds", "n_padding", "memory")


def write_course(steps: Sequence[Step], folder: Path) -> None:
    """Write the course, which is the same bit for bit whoever trains, and the measurements apart from it."""
    names = [field.name for field in fields(Step)]
    pq.write_table(_table(steps, [name for name in names if name not in OF_THE_RUN]), folder / COURSE)
    measured = _table(steps, ["step", *OF_THE_RUN])
    speeds = pa.array([step.n_read / step.seconds for step in steps], pa.float64())
    pq.write_table(measured.append_column("tokens_per_second", speeds), folder / MEASURED)


def forget_peak() -> None:
    """Let the peak of a GPU's memory begin anew."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def memory() -> int:
    """Bytes: the most that a GPU has held, else what this process holds now."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return int(_process().memory_info().rss)


@cache
def _process() -> psutil.Process:
    """This one: to look it up takes longer than to ask it."""
    return psutil.Process()


def _table(steps: Sequence[Step], names: Sequence[str]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [getattr(step, name) for step in steps] for name in names}
    return pa.table(columns)
