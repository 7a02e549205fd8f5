"""Rows of a pool out of its file: no more of it is read than is asked for."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


class PoolRows:
    """The rows of a pool's file, or some columns of them. Nothing is read before it is asked for."""

    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        self._path, self._columns = path, columns

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        """One column."""
        return pq.read_table(self._path, columns=[name], memory_map=True)[name]

    def select(self, names: Sequence[str]) -> "PoolRows":
        """These columns alone."""
        return PoolRows(self._path, names)

    def take(self, indices: pa.Array) -> pa.Table:
        """The rows at these places, in this order; a group of rows with none of them is not read."""
        wanted = indices.to_numpy()
        order = np.argsort(wanted, kind="stable")
        ahead = wanted[order]
        with pq.ParquetFile(self._path, memory_map=True) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            starts = np.cumsum([0, *sizes])
            cuts = np.searchsorted(ahead, starts).tolist()
            parts = [
                file.read_row_group(group, self._columns).take(ahead[first:last] - starts[group])
                for group, (first, last) in enumerate(pairwise(cuts))
                if last > first
            ]
            schema = file.schema_arrow
        names = schema.names if self._columns is None else self._columns
        nothing = pa.schema([schema.field(name) for name in names]).empty_table()
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return pa.concat_tables(parts or [nothing]).select(names).take(back)
