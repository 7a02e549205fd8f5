"""The rows that a strategy offers, one by one, before anything is removed."""

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from experiments import annotated, world
from experiments.llm.augment import empty_yields, rewritten
from experiments.llm.collect import Collector
from experiments.llm.journal import Journal
from experiments.rejection import right_answers
from experiments.resume import Resumption
from experiments.sources import Problem, Problems, located, read_hashed, stream_hashed
from experiments.text import normalise, row_id
from orchestrator.refusal import Refused
from orchestrator.specs import (
    AnnotatedStrategy,
    LlmStrategy,
    RejectionStrategy,
    SeedStrategy,
    Server,
    Single,
    SymbolicSource,
    SymbolicStrategy,
)

_STRATEGY: TypeAdapter[Single] = TypeAdapter(Single)


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
class Offer:
    """The rows of a strategy, and what its maker has to say about them once they are drawn.

    `provenance` has for each row, by its id, how a model came to write it.
    """

    strategy: Single
    rows: Iterator[Candidate]
    notes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    provenance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Making:
    """What is known to whoever makes a pool: its spec, the data, and where answers of a model are kept."""

    spec: Mapping[str, Any]
    places: Mapping[str, Any]
    benchmarks: Sequence[Problems]
    resumption: Resumption
    progress: Callable[[float, str], None]
    inputs: Mapping[str, Path]

    @property
    def seed(self) -> Problems:
        """The seed problems."""
        return read_hashed(self.spec["seed"], self.places)

    @property
    def forbidden(self) -> frozenset[str]:
        """The benchmarks' queries in normal form."""
        return frozenset(normalise(query) for one in self.benchmarks for query in one.queries)


def offer(making: Making) -> Offer:
    """What the strategy of a pool's spec offers. Raises Refused, at once or while rows are drawn."""
    spec, places = making.spec, making.places
    strategy = strategy_of(spec["strategy"], places)
    if isinstance(strategy, SymbolicStrategy):
        return Offer(strategy, _generated(strategy, located(spec["seed"], places), making.forbidden))
    if isinstance(strategy, AnnotatedStrategy):
        found = annotated.Yield()
        rows = _varied(strategy, making.seed, found, making.forbidden)
        return Offer(strategy, rows, {"problems": found.problems})
    if isinstance(strategy, LlmStrategy):
        return _written(strategy, making)
    if isinstance(strategy, RejectionStrategy):
        return _sampled(strategy, making)
    if isinstance(strategy, SeedStrategy):
        return Offer(strategy, _given(stream_hashed(spec["seed"], places), "seed"))
    return Offer(strategy, _given(stream_hashed(spec["strategy"]["source"], places), "table"))


def strategy_of(hashed: Mapping[str, Any], places: Mapping[str, Any]) -> Single:
    """The strategy as it stands in a spec, where a table is known by its digest and a server not at all."""
    if hashed["kind"] == "table":
        hashed = {**hashed, "source": places[hashed["source"]["digest"]]}
    if hashed["kind"] == "llm":
        hashed = {**hashed, "server": places["server"]}
    return _STRATEGY.validate_python(hashed)


def _written(strategy: LlmStrategy, making: Making) -> Offer:
    yields = empty_yields()
    provenance: dict[str, Mapping[str, Any]] = {}
    notes: dict[str, Any] = {"yield": yields}

    def rows() -> Iterator[Candidate]:
        seed = making.seed
        problems = list(zip(seed.source_ids, seed.queries, seed.responses, strict=True))
        state = making.resumption
        with Journal(state.folder / "answers.jsonl") as journal, _model(strategy.server, state) as model:
            collector = Collector(strategy.server, state, journal, making.progress, model)
            for row in rewritten(strategy, problems, making.forbidden, collector, yields):
                identity = row_id(row.query, row.response)
                provenance.setdefault(identity, row.provenance)
                yield Candidate(identity, row.source_id, row.operation, row.path, row.query, row.response)
            if model is not None:
                notes["engines"] = model.proofs()

    return Offer(strategy, rows(), notes, provenance)


def _model(server: Server, state: Resumption) -> AbstractContextManager[Any]:
    """The model that answers in this process; nothing where a server does."""
    if server.kind == "openai":
        return nullcontext()
    offline = importlib.import_module("experiments.llm.offline")  # torch, which servers do not need
    model: AbstractContextManager[Any] = offline.Offline(server, state)
    return model


def _sampled(strategy: RejectionStrategy, making: Making) -> Offer:
    yields = empty_yields()
    provenance: dict[str, Mapping[str, Any]] = {}

    def rows() -> Iterator[Candidate]:
        for row in right_answers(strategy, making.seed, making.inputs["completions"], yields):
            identity = row_id(row.query, row.response)
            provenance.setdefault(identity, row.provenance)
            yield Candidate(identity, row.source_id, row.operation, row.path, row.query, row.response)

    return Offer(strategy, rows(), {"yield": yields}, provenance)


def _given(problems: Iterable[Problem], operation: str) -> Iterator[Candidate]:
    paths: Counter[bytes] = Counter()
    for row in problems:
        query = blake2b(row.query.encode(), digest_size=16).digest()
        yield Candidate(row.row_id, row.source_id, operation, paths[query], row.query, row.response)
        paths[query] += 1


def _generated(strategy: SymbolicStrategy, seed: Any, forbidden: frozenset[str]) -> Iterator[Candidate]:
    """Exactly as many rows as the strategy promises, all different and none about a benchmark's query."""
    if not isinstance(seed, SymbolicSource):
        raise Refused(
            f"strategy '{strategy.name}' rewrites problems of the symbolic world, but the seed problems "
            "are a table; choose data=mini, or a strategy that reads a table"
        )
    rows = list(islice(world.augmented(strategy, seed, forbidden), strategy.rows))
    if len(rows) < strategy.rows:
        raise Refused(_too_few(strategy, len(rows), seed.n_items))
    for row in rows:
        identity = row_id(row.query, row.response)
        yield Candidate(identity, row.source_id, row.operation, row.path, row.query, row.response)


def _varied(
    strategy: AnnotatedStrategy, seed: Problems, found: annotated.Yield, forbidden: frozenset[str]
) -> Iterator[Candidate]:
    """Exactly as many rows as the strategy promises, all different and none about a benchmark's query."""
    problems = list(zip(seed.source_ids, seed.queries, seed.responses, strict=True))
    seen, n_rows = set(map(normalise, seed.queries)) | forbidden, 0
    for row in annotated.varied(problems, strategy.generator_seed, found):
        query = normalise(row.query)
        if query not in seen:
            seen.add(query)
            n_rows += 1
            identity = row_id(row.query, row.response)
            yield Candidate(identity, row.source_id, "numbers", 0, row.query, row.response)
        if n_rows == strategy.rows:
            return
    raise Refused(_too_few(strategy, n_rows, len(seed)))


def _too_few(strategy: SymbolicStrategy | AnnotatedStrategy, n_rows: int, n_problems: int) -> str:
    return (
        f"strategy '{strategy.name}' promises {strategy.rows} rows, but {n_problems} seed problems "
        f"yield only {n_rows}; lower strategy.rows to that"
    )
