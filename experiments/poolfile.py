"""The file of a pool, written and read a batch at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.offers import Candidate
from experiments.sieve import spelling
from orchestrator.strategies import LlmStrategy, Strategy

NAME, PROVENANCE = "pool.parquet", "provenance.parquet"
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("row_id", "source_id", "strategy", "operation")),
        ("path", pa.int64()),
        *((name, pa.string()) for name in ("query", "response", "generator")),
    ]
)
# Rows in memory at a time, and in a group of the file.
BATCH = 32_768
# GSM8K in a byte-pair vocabulary of 2,048 entries; the world's words are counted instead.
CHARACTERS_PER_TOKEN = 2.5

Row = dict[str, Any]


def write(
    path: Path, strategy: Strategy, rows: Iterator[Candidate], progress: Callable[[int], None]
) -> float:
    """Write the rows as they come; about how many tokens they have, before any tokenizer exists."""
    generator = strategy.solver.model if isinstance(strategy, LlmStrategy) else strategy.kind
    constants = {"strategy": strategy.name, "generator": generator}
    n_rows, n_tokens = 0, 0.0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as file:
        while batch := list(islice(rows, BATCH)):
            file.write_table(pa.Table.from_pylist([{**asdict(row), **constants} for row in batch], SCHEMA))
            n_rows, n_tokens = n_rows + len(batch), n_tokens + _n_tokens(generator, batch)
            progress(n_rows)
    return n_tokens


def write_provenance(pool: Path, provenance: Mapping[str, Mapping[str, Any]]) -> None:
    """Beside the pool: for each row that a model wrote, in their order, its id and how that came about."""
    rows = (row for batch in batches(pool, ["row_id"]) for row in batch["row_id"].to_pylist())
    told = [{"row_id": row, **provenance[row]} for row in rows if row in provenance]
    names = dict.fromkeys(name for row in told for name in row)
    table = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in told])
    pq.write_table(table, pool.with_name(PROVENANCE), compression="zstd")


def batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a pool in their order."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(BATCH, columns=columns)


def respell(path: Path, spellings: Mapping[int, Candidate]) -> None:
    """Put other spellings of rows in their place where they come first in order."""

    def changed(place: int, row: Row) -> Row:
        rival = spellings.get(place)
        if rival is None:
            return row
        own = Candidate(**{name: row[name] for name in Candidate.__dataclass_fields__})
        return {**row, **asdict(min(own, rival, key=spelling))}

    rewrite(path, changed)


def rewrite(path: Path, change: Callable[[int, Row], Row]) -> None:
    """Write the file anew with each row, given with its place, changed."""
    aside, place = path.with_suffix(".aside"), 0
    with pq.ParquetWriter(aside, SCHEMA, compression="zstd") as file:
        for batch in batches(path):
            rows = [change(place + index, row) for index, row in enumerate(batch.to_pylist())]
            file.write_table(pa.Table.from_pylist(rows, SCHEMA))
            place += len(rows)
    aside.replace(path)


def keep(path: Path, stays: Callable[[pa.RecordBatch], Sequence[bool]]) -> None:
    """Write the file anew with the rows of each batch that stay."""
    aside = path.with_suffix(".aside")
    with pq.ParquetWriter(aside, SCHEMA, compression="zstd") as file:
        for batch in batches(path):
            left = batch.filter(pa.array(stays(batch), pa.bool_()))
            file.write_table(pa.Table.from_batches([left], SCHEMA))
    aside.replace(path)


def n_tokens_of(generator: str, query: str, response: str) -> float:
    """About how many tokens a row has."""
    if generator == "symbolic":
        return len(query.split()) + len(response.split())
    return (len(query) + len(response)) / CHARACTERS_PER_TOKEN


def _n_tokens(generator: str, rows: Iterable[Candidate]) -> float:
    return sum(n_tokens_of(generator, row.query, row.response) for row in rows)
