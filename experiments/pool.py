"""Make a pool: everything one strategy can offer, without duplicates and without benchmark items."""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from experiments import poolfile
from experiments.contamination import Tested, overlaps
from experiments.llm.request import n_requests
from experiments.mixed import Mixed
from experiments.near import near_duplicates
from experiments.offers import Making, Offer, offer, strategy_of
from experiments.resume import Resumption
from experiments.sieve import Counted, Sieve
from experiments.sources import Problems, read_hashed
from orchestrator.refusal import Refused
from orchestrator.strategies import Filters, LlmStrategy, RejectionStrategy

IDENTITY = 16  # bytes of a digest, so many that no two queries ever share one


@dataclass(frozen=True)
class _Made:
    """A pool's file, and what there is to say about it."""

    size: Mapping[str, int]
    n_tokens: float
    removed: Mapping[str, int]
    notes: Mapping[str, Mapping[str, Any]]  # of whoever made the rows
    provenance: Mapping[str, Mapping[str, Any]]


def make_pool(
    spec: Mapping[str, Any],
    inputs: Mapping[str, Path],
    into: Path,
    progress: Callable[[float, str], None],
    places: Mapping[str, Any],
    resumption: Resumption,
) -> dict[str, Any]:
    """Write `pool.parquet` and return its summary; how a model wrote each row is in `provenance.parquet`.

    Raises Refused where nothing is left, and says why; Paused where a model still has to answer.
    """
    path = into / poolfile.NAME
    making = Making(spec, places, _benchmarks(spec, places), resumption, progress, inputs)
    made = _mixed(making, path) if spec["strategy"]["kind"] == "mixture" else _made(making, path)
    if made.provenance:
        poolfile.write_provenance(path, made.provenance)
    progress(0.9, "comparing with benchmarks")
    queries = (query for batch in poolfile.batches(path, ["query"]) for query in batch["query"].to_pylist())
    met = overlaps(queries, {one.name: Tested(one.queries) for one in making.benchmarks})
    return {
        **made.size,
        "n_tokens_estimate": round(made.n_tokens),
        "removed": dict(made.removed),
        "overlaps": {name: asdict(overlap) for name, overlap in met.items()},
        **{name: dict(note) for name, note in made.notes.items()},
    }


def size(spec: Mapping[str, Any], places: Mapping[str, Any]) -> dict[str, int]:
    """What the pool will hold, without leaving anything; refuses what `make_pool` would refuse.

    What a model will write nobody knows: its pool is taken to hold all that is asked for.
    """
    strategy = strategy_of(spec["strategy"], places)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        making = Making(spec, places, _benchmarks(spec, places), Resumption(folder, math.inf), _unheard, {})
        if isinstance(strategy, LlmStrategy | RejectionStrategy):
            n_problems = len(making.seed)
            _, n_rows = n_requests(spec["strategy"], n_problems)
            return {"n_rows": n_rows, "n_sources": n_problems, "n_queries": n_rows // strategy.paths}
        return dict(_made(making, folder / "pool.parquet").size)


def _unheard(done: float, note: str) -> None:
    """Progress that nobody waits for."""


def _benchmarks(spec: Mapping[str, Any], places: Mapping[str, Any]) -> list[Problems]:
    return [read_hashed(source, places) for source in spec["decontaminate"]]


def _made(making: Making, path: Path) -> _Made:
    offered = offer(making)
    filters: Filters = getattr(offered.strategy, "filters", Filters())
    sieve = Sieve(making.benchmarks, filters, making.held_out)
    rows = sieve.kept(offered.rows)
    n_tokens = poolfile.write(path, offered.strategy, rows, lambda n: making.progress(0.5, f"{n} rows"))
    _refuse_nothing(offered, sieve)
    if sieve.spellings:
        poolfile.respell(path, sieve.spellings)
    size, removed = sieve.size, dict(sieve.removed)
    if filters.near_duplicates is not None:
        making.progress(0.7, "looking for near-duplicates")
        size = _without_near_duplicates(path, filters.near_duplicates)
        removed["near duplicate"] = sieve.size["n_rows"] - size["n_rows"]
        n_tokens *= size["n_rows"] / sieve.size["n_rows"]
    return _Made(size, n_tokens, removed, offered.notes, offered.provenance)


def _mixed(making: Making, path: Path) -> _Made:
    mixed = Mixed(making.inputs, making.spec["strategy"]["weights"])
    mixed.write(path, lambda n: making.progress(0.5, f"{n} rows"))
    removed = {"in an earlier part": mixed.n_repeated}
    return _Made(mixed.size, mixed.n_tokens, removed, {"parts": mixed.parts}, {})


def _without_near_duplicates(path: Path, threshold: float) -> dict[str, int]:
    """Leave out all rows of queries like an earlier one; what is left."""
    queries = _Distinct(path)
    flags = near_duplicates(queries.texts(), threshold)
    left_out = {queries.identity(int(index)) for index in np.flatnonzero(flags)}
    counted = Counted()

    def stays(batch: pa.RecordBatch) -> list[bool]:
        asked = batch["query"].to_pylist()
        stay = [_identity(query) not in left_out for query in asked]
        for source, query in compress(zip(batch["source_id"].to_pylist(), asked, strict=True), stay):
            counted.add(source, query)
        return stay

    poolfile.keep(path, stays)
    return counted.size


class _Distinct:
    """The queries of a pool, each once; of those that were drawn only a digest stays in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identities = bytearray()

    def texts(self) -> Iterator[str]:
        """In the order of the pool."""
        seen: set[bytes] = set()
        for batch in poolfile.batches(self._path, ["query"]):
            for query in batch["query"].to_pylist():
                identity = _identity(query)
                if identity not in seen:
                    seen.add(identity)
                    self._identities += identity
                    yield query

    def identity(self, index: int) -> bytes:
        """The digest of the query that was drawn in that place."""
        return bytes(self._identities[index * IDENTITY : (index + 1) * IDENTITY])


def _identity(query: str) -> bytes:
    """As it is spelt."""
    return blake2b(query.encode(), digest_size=IDENTITY).digest()


def _refuse_nothing(offered: Offer, sieve: Sieve) -> None:
    if sieve.size["n_rows"]:
        return
    found = [f"{n} items of {name}" for name, n in sieve.hit.items()]
    found += [
        f"{n} rows with '{reason}'"
        for reason, n in sieve.removed.items()
        if n and reason not in ("benchmark", "empty")
    ]
    contains = " and ".join(found) or "empty rows"
    raise Refused(
        f"the pool of strategy '{offered.strategy.name}' contains nothing but {contains} "
        f"({sum(sieve.removed.values())} rows removed); "
        "check that its source is training data and not a benchmark"
    )
