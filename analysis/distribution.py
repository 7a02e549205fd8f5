"""Where the queries of pools and benchmarks lie: a table of places in a plane, made by PCA or t-SNE."""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.reading import read_table
from orchestrator.refusal import Refused

COLUMNS = ("x", "y", "pool", "benchmark")
NAMES = ("distribution.parquet", "distribution.csv")


def find_distribution(study_folder: Path) -> Path | None:
    """The table of a study, where there is one."""
    return next((study_folder / name for name in NAMES if (study_folder / name).is_file()), None)


def read_distribution(path: Path) -> pd.DataFrame:
    """One row per query: `x`, `y`, and either the `pool` or the `benchmark` that it comes from.

    Raises Refused where a column is missing, a place is no number, or a query has none or both.
    """
    table = read_table(path)
    lacking = [name for name in COLUMNS if name not in table.columns]
    if lacking:
        raise Refused(f"{path} has no column {lacking[0]!r}: it needs {', '.join(COLUMNS)}")
    table = table[list(COLUMNS)].replace("", None)
    for axis in ("x", "y"):
        numbers = pd.to_numeric(table[axis], errors="coerce").to_numpy(dtype=np.float64)
        bad = np.flatnonzero(~np.isfinite(numbers))
        if len(bad):
            raise Refused(f"row {bad[0] + 1} of {path}: {axis} is {table[axis].iloc[bad[0]]!r}, not a number")
        table[axis] = numbers
    both = np.flatnonzero((table["pool"].notna() == table["benchmark"].notna()).to_numpy())
    if len(both):
        raise Refused(
            f"row {both[0] + 1} of {path}: a query comes from a pool or from a benchmark; name exactly one"
        )
    return table
