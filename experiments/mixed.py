"""The pool of a mixture: the rows of its parts' pools, each once."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments import poolfile
from experiments.sieve import Counted
from experiments.text import query_id
from orchestrator import mixing


class Mixed:
    """Writes the rows, parts by name; what an earlier part has does not come again.

    A row's `strategy` is the name of its part. All parts went through filters and benchmarks of their own.
    """

    def __init__(self, inputs: Mapping[str, Path], weights: Mapping[str, int]) -> None:
        folders = mixing.parts(inputs)
        self._folders = {part: folders[part] for part in sorted(folders)}
        self._weights = weights
        self._counted = Counted()
        self._of_parts = {part: Counted() for part in self._folders}
        self._first: dict[bytes, str] = {}  # query -> the first part that has it
        self._rows: set[bytes] = set()
        self._n_known: Counter[str] = Counter()
        self.n_tokens = 0.0  # about

    def write(self, path: Path, progress: Callable[[int], None]) -> None:
        """Also, beside the pool, how models wrote those of its rows that models wrote."""
        with pq.ParquetWriter(path, poolfile.SCHEMA, compression="zstd") as file:
            for part, folder in self._folders.items():
                for batch in poolfile.batches(folder / poolfile.NAME):
                    rows = list(self._new(part, batch.to_pylist()))
                    file.write_table(pa.Table.from_pylist(rows, poolfile.SCHEMA))
                    progress(len(self._rows))
        tables = [folder / poolfile.PROVENANCE for folder in self._folders.values()]
        told = {row["row_id"]: row for path in tables if path.exists() for row in _rows(path)}
        if told:
            poolfile.write_provenance(path, told)

    @property
    def size(self) -> dict[str, int]:
        """How much there is in all."""
        return self._counted.size

    @property
    def n_repeated(self) -> int:
        """Rows that an earlier part has."""
        return sum(self._n_known.values())

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """Of each part: what it adds, how many of its rows an earlier part has, its share of every amount.

        A query of several parts counts for the first of them.
        """
        n_queries = Counter(self._first.values())
        return {
            part: {
                **counted.size,
                "n_queries": n_queries[part],
                "n_in_earlier_parts": self._n_known[part],
                "weight": self._weights[part],
                "share": self._weights[part] / sum(self._weights.values()),
            }
            for part, counted in self._of_parts.items()
        }

    def _new(self, part: str, rows: Iterable[poolfile.Row]) -> Iterator[poolfile.Row]:
        for row in rows:
            identity = bytes.fromhex(row["row_id"])
            if identity in self._rows:
                self._n_known[part] += 1
                continue
            self._rows.add(identity)
            self._first.setdefault(bytes.fromhex(query_id(row["query"])), part)
            self._counted.add(row["source_id"], row["query"])
            self._of_parts[part].add(row["source_id"], row["query"])
            self.n_tokens += poolfile.n_tokens_of(row["generator"], row["query"], row["response"])
            yield {**row, "strategy": part}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    yield from pq.read_table(path).to_pylist()
