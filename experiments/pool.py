"""Make a pool: everything one strategy can offer, without duplicates and without benchmark items."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.offers import Candidate, Offer, offer
from experiments.sieve import Sieve, spelling
from experiments.sources import read_hashed
from orchestrator.refusal import Refused
from orchestrator.specs import Strategy, SymbolicStrategy

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


def make_pool(
    spec: Mapping[str, Any],
    inputs: Mapping[str, Path],
    into: Path,
    progress: Callable[[float, str], None],
    places: Mapping[str, Any],
) -> dict[str, Any]:
    """Write `pool.parquet` and return its summary. Raises Refused where nothing is left, and says why."""
    assert not inputs, "a pool is made from sources alone"
    offered, sieve = _offer(spec, places)
    path, n_tokens = into / "pool.parquet", 0.0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as file:
        for rows in _batches(sieve.kept(offered.rows)):
            file.write_table(_table(offered.strategy, rows))
            n_tokens += _n_tokens(offered.strategy, rows)
            progress(0.5, f"{sieve.size['n_rows']} rows")
    _refuse_nothing(offered, sieve)
    if sieve.spellings:
        _respell(path, sieve.spellings)
    summary = {**sieve.size, "n_tokens_estimate": round(n_tokens), "removed": dict(sieve.removed)}
    return summary | {name: dict(note) for name, note in offered.notes.items()}


def size(spec: Mapping[str, Any], places: Mapping[str, Any]) -> dict[str, int]:
    """What the pool will hold, without writing anything; refuses what `make_pool` would refuse."""
    offered, sieve = _offer(spec, places)
    for _ in sieve.kept(offered.rows):
        pass
    _refuse_nothing(offered, sieve)
    return sieve.size


def _offer(spec: Mapping[str, Any], places: Mapping[str, Any]) -> tuple[Offer, Sieve]:
    benchmarks = [read_hashed(source, places) for source in spec["decontaminate"]]
    return offer(spec, benchmarks, places), Sieve(benchmarks)


def _batches(rows: Iterator[Candidate]) -> Iterator[list[Candidate]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _table(strategy: Strategy, rows: Sequence[Candidate]) -> pa.Table:
    constants = {"strategy": strategy.name, "generator": strategy.kind}
    return pa.Table.from_pylist([{**asdict(row), **constants} for row in rows], SCHEMA)


def _respell(path: Path, spellings: Mapping[int, Candidate]) -> None:
    """Write the file again, with other spellings where they come first in order."""
    aside = path.with_suffix(".respelt")
    with pq.ParquetFile(path) as before, pq.ParquetWriter(aside, SCHEMA, compression="zstd") as after:
        place = 0
        for batch in before.iter_batches(BATCH):
            rows = batch.to_pylist()
            for index in range(len(rows)):
                if (rival := spellings.get(place + index)) is not None:
                    rows[index] = _first(rows[index], rival)
            after.write_table(pa.Table.from_pylist(rows, SCHEMA))
            place += len(rows)
    aside.replace(path)


def _first(row: dict[str, Any], rival: Candidate) -> dict[str, Any]:
    own = Candidate(**{name: row[name] for name in Candidate.__dataclass_fields__})
    return {**row, **asdict(min(own, rival, key=spelling))}


def _refuse_nothing(offered: Offer, sieve: Sieve) -> None:
    if sieve.size["n_rows"]:
        return
    found = " and ".join(f"{n} items of {name}" for name, n in sieve.hit.items())
    contains = f"contains nothing but {found}" if sieve.hit else "contains nothing but empty rows"
    raise Refused(
        f"the pool of strategy '{offered.strategy.name}' {contains} ({sum(sieve.removed.values())} rows "
        "removed); check that its source is training data and not a benchmark"
    )


def _n_tokens(strategy: Strategy, rows: Iterable[Candidate]) -> float:
    """An estimate before any tokenizer exists."""
    if isinstance(strategy, SymbolicStrategy):
        return sum(len(row.query.split()) + len(row.response.split()) for row in rows)
    return sum(len(row.query) + len(row.response) for row in rows) / CHARACTERS_PER_TOKEN
