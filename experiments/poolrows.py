"""Rows of a pool out of its file: no more of it is read than is asked for."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

# Reading is unpacking, which other threads can share; for a second or two, whatever a stage may use.
THREADS = 2


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
        metadata = pq.read_metadata(self._path)
        schema = metadata.schema.to_arrow_schema()
        names = list(schema.names if self._columns is None else self._columns)
        starts = np.cumsum([0, *(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))])
        cuts = np.searchsorted(ahead, starts).tolist()

        def part(group: int, first: int, last: int) -> pa.Table:
            return _rows_of(self._path, metadata, group, names, ahead[first:last] - starts[group])

        with ThreadPoolExecutor(THREADS) as threads:
            asked = [(group, *cut) for group, cut in enumerate(pairwise(cuts)) if cut[1] > cut[0]]
            parts = list(threads.map(lambda one: part(*one), asked))
            nothing = pa.schema([schema.field(name) for name in names]).empty_table()
            table = pa.concat_tables(parts or [nothing]).select(names)
            del parts
            back = np.empty_like(order)
            back[order] = np.arange(len(order))
            # A column at a time, and in one piece, as rows in many pieces are slow to put in order.
            columns = threads.map(lambda name: pa.concat_arrays(table[name].chunks).take(back), names)
            return pa.table(list(columns), schema=nothing.schema)


def _rows_of(
    path: Path, metadata: pq.FileMetaData, group: int, names: list[str], places: npt.NDArray[np.int64]
) -> pa.Table:
    with pq.ParquetFile(path, memory_map=True, metadata=metadata) as file:
        table = file.read_row_group(group, names, use_threads=False)
    return table if np.array_equal(places, np.arange(len(table))) else table.take(places)
