"""Make a pool: everything one strategy can offer, without duplicates and without benchmark items."""

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
from orchestrator.specs import Filters, LlmStrategy, RejectionStrategy


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
    queries: dict[str, None] = {}
    for batch in poolfile.batches(path, ["query"]):
        queries.update(dict.fromkeys(batch["query"].to_pylist()))
    texts = list(queries)
    flags = near_duplicates(texts, threshold)
    left_out = {text for text, flag in zip(texts, flags.tolist(), strict=True) if flag}
    counted = Counted()

    def stays(row: Mapping[str, Any]) -> bool:
        if row["query"] in left_out:
            return False
        counted.add(row["source_id"], row["query"])
        return True

    poolfile.rewrite(path, lambda place, row: row if stays(row) else None)
    return counted.size


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
