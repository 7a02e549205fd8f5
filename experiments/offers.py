"""The rows that a strategy offers, one by one, before anything is removed."""

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from experiments import annotated, world
from experiments.held_out import HeldOut, declared
from experiments.llm.augment import Written, empty_yields, rewritten
from experiments.llm.collect import Collector
from experiments.llm.journal import Journal
from experiments.rejection import right_answers
from experiments.resume import Resumption
from experiments.sources import Problems, located, name_of, read_hashed, stream_hashed
from experiments.stream import Problem
from experiments.text import normalise, query_id, row_id
from orchestrator.refusal import Refused
from orchestrator.specs import SymbolicSource
from orchestrator.strategies import (
    AnnotatedStrategy,
    LlmStrategy,
    RejectionStrategy,
    SeedStrategy,
    Server,
    Single,
    SymbolicStrategy,
    TableStrategy,
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

    @cached_property
    def given(self) -> Problems:
        """All seed problems, those that are held out too."""
        return read_hashed(self.spec["seed"], self.places)

    @cached_property
    def held_out(self) -> HeldOut:
        """What no row may be made from."""
        validation = declared(self.spec)
        return self.given.held_out(validation) if validation else HeldOut()

    @cached_property
    def seed(self) -> Problems:
        """The seed problems that rows are made from."""
        return self.given.without(self.held_out) if self.held_out.sources else self.given

    @property
    def forbidden(self) -> frozenset[str]:
        """The queries of benchmarks and of what is held out, in normal form."""
        asked = {normalise(query) for one in self.benchmarks for query in one.queries}
        if self.held_out.sources:
            asked |= {normalise(query) for query in self.given.queries} - set(
                map(normalise, self.seed.queries)
            )
        return frozenset(asked)


def offer(making: Making) -> Offer:
    """What the strategy of a pool's spec offers. Raises Refused, at once or while rows are drawn."""
    spec, places = making.spec, making.places
    strategy = strategy_of(spec["strategy"], places)
    if isinstance(strategy, SymbolicStrategy):
        return Offer(strategy, _generated(strategy, located(spec["seed"], places), making))
    if isinstance(strategy, AnnotatedStrategy):
        found = annotated.Yield()
        rows = _varied(strategy, making.seed, found, making.forbidden)
        return Offer(strategy, rows, {"problems": found.problems})
    if isinstance(strategy, LlmStrategy):
        return _written(strategy, making)
    if isinstance(strategy, RejectionStrategy):
        return _sampled(strategy, making)
    if isinstance(strategy, SeedStrategy):
        return Offer(strategy, _given(making.seed.rows(), "seed"))
    _refuse_without_sources(strategy, making)
    table = stream_hashed(spec["strategy"]["source"], places)
    return Offer(strategy, _given(_from_known_sources(table, strategy, making), "table"))


def _refuse_without_sources(strategy: TableStrategy, making: Making) -> None:
    """Where sources are held out, rows must say which source they were made from."""
    if making.held_out.sources and strategy.source.source is None:
        raise Refused(
            f"data.validation holds sources out, but strategy '{strategy.name}' does not say from which "
            "source each row was made: name the column with strategy.source.source, or set "
            "data.validation=null"
        )


def _from_known_sources(
    rows: Iterator[Problem], strategy: TableStrategy, making: Making
) -> Iterator[Problem]:
    """The rows; refused at the end if sources are held out and not one of them is known."""
    if not making.held_out.sources:
        yield from rows
        return
    every = HeldOut(frozenset(making.given.source_ids), frozenset(map(query_id, making.given.queries)))
    any_known = False
    for row in rows:
        any_known = any_known or every.has(row.source_id, row.query)
        yield row
    if not any_known:
        raise Refused(
            f"no row of {name_of(strategy.source)} names a seed problem in column "
            f"'{strategy.source.source}' (such as '{making.given.source_ids[0]}', or its query), "
            "so what is held out could not be taken out: "
            "name another column, or set data.validation=null"
        )


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
            written = rewritten(strategy, problems, making.forbidden, collector, yields)
            yield from _noted(written, provenance)
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

    right = right_answers(strategy, making.given, making.inputs["completions"], yields)
    return Offer(strategy, _noted(right, provenance), {"yield": yields}, provenance)


def _noted(rows: Iterable[Written], provenance: dict[str, Mapping[str, Any]]) -> Iterator[Candidate]:
    """The rows, and how a model came to write each, by its id; of equal rows as the first one was."""
    for row in rows:
        candidate = _candidate(row)
        provenance.setdefault(candidate.row_id, row.provenance)
        yield candidate


def _candidate(row: world.Row | Written) -> Candidate:
    identity = row_id(row.query, row.response)
    return Candidate(identity, row.source_id, row.operation, row.path, row.query, row.response)


def _given(problems: Iterable[Problem], operation: str) -> Iterator[Candidate]:
    paths: Counter[bytes] = Counter()
    for row in problems:
        query = blake2b(row.query.encode(), digest_size=16).digest()
        yield Candidate(row.row_id, row.source_id, operation, paths[query], row.query, row.response)
        paths[query] += 1


def _generated(strategy: SymbolicStrategy, seed: Any, making: Making) -> Iterator[Candidate]:
    """Exactly as many rows as the strategy promises, all different and none about a benchmark's query."""
    if not isinstance(seed, SymbolicSource):
        raise Refused(
            f"strategy '{strategy.name}' rewrites problems of the symbolic world, but the seed problems "
            "are a table; choose data=mini, or a strategy that reads a table"
        )
    rows = list(
        islice(world.augmented(strategy, seed, making.forbidden, making.held_out.sources), strategy.rows)
    )
    if len(rows) < strategy.rows:
        raise Refused(_too_few(strategy, len(rows), seed.n_items))
    yield from map(_candidate, rows)


def _varied(
    strategy: AnnotatedStrategy, seed: Problems, found: annotated.Yield, forbidden: frozenset[str]
) -> Iterator[Candidate]:
    """Exactly as many rows as the strategy promises, all different and none about a benchmark's query."""
    problems = list(zip(seed.source_ids, seed.queries, seed.responses, strict=True))
    seen, n_rows = set(map(normalise, seed.queries)) | forbidden, 0
    operation = strategy.name if strategy.masked else "numbers"
    for row in annotated.rows(strategy, problems, found):
        query = normalise(row.query)
        if query not in seen:
            seen.add(query)
            n_rows += 1
            identity = row_id(row.query, row.response)
            yield Candidate(identity, row.source_id, operation, 0, row.query, row.response)
        if n_rows == strategy.rows:
            return
    raise Refused(_too_few(strategy, n_rows, len(seed)))


def _too_few(strategy: SymbolicStrategy | AnnotatedStrategy, n_rows: int, n_problems: int) -> str:
    return (
        f"strategy '{strategy.name}' promises {strategy.rows} rows, but {n_problems} seed problems "
        f"yield only {n_rows}; lower strategy.rows to that"
    )
