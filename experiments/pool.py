"""Make a pool: everything one strategy can offer, without duplicates and without benchmark items."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from experiments import world
from experiments.sources import Problems, located, read_hashed
from experiments.text import normalise, row_id
from orchestrator.refusal import Refused
from orchestrator.specs import SeedStrategy, Strategy, SymbolicSource, SymbolicStrategy

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("row_id", "source_id", "strategy", "operation")),
        ("path", pa.int64()),
        *((name, pa.string()) for name in ("query", "response", "generator")),
    ]
)
# GSM8K in a byte-pair vocabulary of 2,048 entries; the world's words are counted instead.
CHARACTERS_PER_TOKEN = 2.5

_STRATEGY: TypeAdapter[Strategy] = TypeAdapter(Strategy)


@dataclass(frozen=True)
class Candidate:
    """A row that a strategy offers: `path` counts the solutions of one query."""

    row_id: str
    source_id: str
    operation: str
    path: int
    query: str
    response: str


@dataclass(frozen=True)
class Pool:
    """What is left of the candidates, and why the others are not."""

    strategy: Strategy
    rows: tuple[Candidate, ...]
    removed: Mapping[str, int]

    @property
    def size(self) -> dict[str, int]:
        """How much there is, in each of the units that an amount can count."""
        return {
            "n_rows": len(self.rows),
            "n_sources": len({row.source_id for row in self.rows}),
            "n_queries": len({normalise(row.query) for row in self.rows}),
        }


def make_pool(
    spec: Mapping[str, Any],
    inputs: Mapping[str, Path],
    into: Path,
    progress: Callable[[float, str], None],
    places: Mapping[str, Any],
) -> dict[str, Any]:
    """Write `pool.parquet` and return its summary. Raises Refused where nothing is left, and says why."""
    assert not inputs, "a pool is made from sources alone"
    pool = _pool(spec, places)
    progress(0.5, f"{len(pool.rows)} rows")
    pq.write_table(_table(pool), into / "pool.parquet", compression="zstd")
    return {**pool.size, "n_tokens_estimate": _n_tokens(pool), "removed": dict(pool.removed)}


def size(spec: Mapping[str, Any], places: Mapping[str, Any]) -> dict[str, int]:
    """What the pool will hold, without writing anything; refuses what `make_pool` would refuse."""
    return _pool(spec, places).size


def _pool(spec: Mapping[str, Any], places: Mapping[str, Any]) -> Pool:
    strategy = _strategy(spec["strategy"], places)
    benchmarks = [read_hashed(source, places) for source in spec["decontaminate"]]
    if isinstance(strategy, SymbolicStrategy):
        offered = _generated(strategy, located(spec["seed"], places), benchmarks)
    elif isinstance(strategy, SeedStrategy):
        offered = _given(read_hashed(spec["seed"], places), "seed")
    else:
        offered = _given(read_hashed(spec["strategy"]["source"], places), "table")
    return _cleaned(strategy, offered, benchmarks)


def _strategy(hashed: Mapping[str, Any], places: Mapping[str, Any]) -> Strategy:
    if hashed["kind"] == "table":
        hashed = {**hashed, "source": places[hashed["source"]["digest"]]}
    return _STRATEGY.validate_python(hashed)


def _given(problems: Problems, operation: str) -> Iterator[Candidate]:
    paths: Counter[str] = Counter()
    columns = (problems.row_ids, problems.source_ids, problems.queries, problems.responses)
    for identity, source, query, response in zip(*columns, strict=True):
        yield Candidate(identity, source, operation, paths[query], query, response)
        paths[query] += 1


def _generated(strategy: SymbolicStrategy, seed: Any, benchmarks: Iterable[Problems]) -> Iterator[Candidate]:
    """Exactly as many rows as the strategy promises, all different and none about a benchmark's query."""
    if not isinstance(seed, SymbolicSource):
        raise Refused(
            f"strategy '{strategy.name}' rewrites problems of the symbolic world, but the seed problems "
            "are a table; choose data=mini, or a strategy that reads a table"
        )
    forbidden = frozenset(normalise(query) for benchmark in benchmarks for query in benchmark.queries)
    rows = list(islice(world.augmented(strategy, seed, forbidden), strategy.rows))
    if len(rows) < strategy.rows:
        raise Refused(
            f"strategy '{strategy.name}' promises {strategy.rows} rows, but {seed.n_items} seed problems "
            f"yield only {len(rows)}; lower strategy.rows to that"
        )
    for row in rows:
        identity = row_id(row.query, row.response)
        yield Candidate(identity, row.source_id, row.operation, row.path, row.query, row.response)


def _cleaned(strategy: Strategy, offered: Iterable[Candidate], benchmarks: Iterable[Problems]) -> Pool:
    """The rows that stay, in the order offered."""
    tested = {normalise(query): benchmark.name for benchmark in benchmarks for query in benchmark.queries}
    removed: Counter[str] = Counter({"empty": 0, "duplicate": 0, "benchmark": 0})
    hit: Counter[str] = Counter()
    kept: dict[str, Candidate] = {}
    for row in offered:
        query = normalise(row.query)
        if not query or not row.response.strip():
            removed["empty"] += 1
        elif query in tested:
            removed["benchmark"] += 1
            hit[tested[query]] += 1
        elif row.row_id in kept:
            removed["duplicate"] += 1
            # Which of two equal rows stays must not depend on the order of a file.
            kept[row.row_id] = min(kept[row.row_id], row, key=_spelling)
        else:
            kept[row.row_id] = row
    if not kept:
        raise Refused(_nothing_left(strategy, removed, hit))
    return Pool(strategy, tuple(kept.values()), removed)


def _spelling(row: Candidate) -> tuple[str, str, str]:
    return row.source_id, row.query, row.response


def _nothing_left(strategy: Strategy, removed: Mapping[str, int], hit: Mapping[str, int]) -> str:
    found = " and ".join(f"{n} items of {name}" for name, n in hit.items())
    contains = f"contains nothing but {found}" if hit else "contains nothing but empty rows"
    return (
        f"the pool of strategy '{strategy.name}' {contains} ({sum(removed.values())} rows removed); "
        "check that its source is training data and not a benchmark"
    )


def _table(pool: Pool) -> pa.Table:
    n_rows = len(pool.rows)
    columns = {name: [getattr(row, name) for row in pool.rows] for name in Candidate.__dataclass_fields__}
    constants = {"strategy": [pool.strategy.name] * n_rows, "generator": [pool.strategy.kind] * n_rows}
    return pa.table({**columns, **constants}).select(SCHEMA.names).cast(SCHEMA)


def _n_tokens(pool: Pool) -> int:
    """An estimate before any tokenizer exists."""
    if isinstance(pool.strategy, SymbolicStrategy):
        return sum(len(row.query.split()) + len(row.response.split()) for row in pool.rows)
    return round(sum(len(row.query) + len(row.response) for row in pool.rows) / CHARACTERS_PER_TOKEN)
