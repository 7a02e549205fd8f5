"""Read a source of problems, wherever it lies, into rows that know where they were found."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from experiments import tables, world
from experiments.grading.batch import complaint, reference_of
from experiments.held_out import HeldOut, chosen
from experiments.stream import Problem, Stream, canonical_bytes
from experiments.text import query_id, row_id
from orchestrator.refusal import Refused
from orchestrator.specs import (
    AnswerRule,
    GivenSource,
    HeldOutSource,
    Source,
    SymbolicSource,
    TableSource,
    Validation,
)

_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)
_GIVEN: TypeAdapter[GivenSource] = TypeAdapter(GivenSource)


@dataclass(frozen=True)
class Problems:
    """The rows of a source in their own order.

    `row_ids` are hashes of query and response; `source_ids` name the seed problem, which is the hash of
    the query where the source does not say. `numbers` count lines of a file, or rows of a table, from 1.
    """

    name: str
    digest: str
    row_ids: Sequence[str]
    source_ids: Sequence[str]
    queries: Sequence[str]
    responses: Sequence[str]
    numbers: Sequence[int]
    counted: str  # "line" or "row"

    def __len__(self) -> int:
        return len(self.queries)

    def rows(self) -> "Iterator[Problem]":
        """One by one."""
        return map(Problem, self.queries, self.responses, self.source_ids, self.numbers)

    def taken(self, indices: Sequence[int], name: str) -> "Problems":
        """Some of the rows, in their order."""

        def of(column: Sequence[Any]) -> list[Any]:
            return [column[index] for index in indices]

        return replace(
            self,
            name=name,
            row_ids=of(self.row_ids),
            source_ids=of(self.source_ids),
            queries=of(self.queries),
            responses=of(self.responses),
            numbers=of(self.numbers),
        )

    def held_out(self, validation: Validation) -> HeldOut:
        """Which of the sources are held out, and what they ask."""
        sources = chosen(self.source_ids, validation)
        asked = (
            query for source, query in zip(self.source_ids, self.queries, strict=True) if source in sources
        )
        return HeldOut(sources, frozenset(map(query_id, asked)))

    def without(self, held: HeldOut) -> "Problems":
        """The rows of all other sources."""
        left = [index for index, source in enumerate(self.source_ids) if source not in held.sources]
        return self.taken(left, self.name)

    def place(self, index: int) -> str:
        """Where a row was found, for people."""
        return f"{self.counted} {self.numbers[index]} of {self.name}"


def inspect(source: Mapping[str, Any], answer: AnswerRule | None) -> dict[str, Any]:
    """Digest and number of rows of a source, after every row was parsed.

    With the rule of an `answer` the source is a benchmark: the rule must then find one in every reference,
    and no item may occur twice. Raises Refused for what cannot be read, and for what a benchmark must not
    hold.
    """
    place = _SOURCE.validate_python(source)
    if answer is None and isinstance(place, TableSource):
        stream = Stream(place)
        n_rows = sum(1 for _ in stream)
        return {"digest": stream.digest, "n_rows": n_rows}
    problems = read(place)
    if answer is not None:
        _check_benchmark(problems, answer)
    return {"digest": problems.digest, "n_rows": len(problems)}


def read_hashed(hashed: Mapping[str, Any], places: Mapping[str, Any]) -> Problems:
    """The rows of a source as it stands in a spec, where a table is known by its digest alone.

    Raises Refused where the content is no longer what was hashed.
    """
    if hashed["kind"] == "held_out":
        return _held_out(read_hashed(hashed["of"], places), Validation.model_validate(hashed["validation"]))
    problems = read(located(hashed, places))
    if hashed["kind"] == "table":
        _check_digest(hashed, problems)
    return problems


def stream_hashed(hashed: Mapping[str, Any], places: Mapping[str, Any]) -> Iterator[Problem]:
    """The rows of a table as it stands in a spec, one by one; refused at the end if it has changed.

    Raises what `Stream` raises.
    """
    stream = Stream(TableSource.model_validate(places[hashed["digest"]]))
    yield from stream
    _check_digest(hashed, stream)


def located(hashed: Mapping[str, Any], places: Mapping[str, Any]) -> GivenSource:
    """The full source of one that stands in a spec."""
    return _GIVEN.validate_python(places[hashed["digest"]] if hashed["kind"] == "table" else hashed)


def read(source: Source) -> Problems:
    """The rows of a source. Raises Refused with file, line and remedy for what cannot be read."""
    if isinstance(source, HeldOutSource):
        return _held_out(read(source.of), source.validation)
    return _symbolic(source) if isinstance(source, SymbolicSource) else _table(source)


def name_of(source: GivenSource) -> str:
    """What a person calls the source."""
    if isinstance(source, SymbolicSource):
        return f"the world's {source.part} part"
    return tables.name_of(source)


def _held_out(problems: Problems, validation: Validation) -> Problems:
    held = problems.held_out(validation)
    indices = [index for index, source in enumerate(problems.source_ids) if source in held.sources]
    n_sources = len(set(problems.source_ids))
    if not 0 < len(held.sources) < n_sources:
        raise Refused(
            f"data.validation holds out {len(held.sources)} of the {n_sources} sources of {problems.name}: "
            "choose a share or a count that leaves some on both sides"
        )
    digest = hashlib.sha256(
        canonical_bytes([problems.digest, validation.model_dump(mode="json")])
    ).hexdigest()
    return replace(problems.taken(indices, f"the held-out part of {problems.name}"), digest=digest)


def _symbolic(source: SymbolicSource) -> Problems:
    items = world.items(source)
    queries = [item.query for item in items]
    responses = [item.response for item in items]
    return Problems(
        name=name_of(source),
        digest=hashlib.sha256(canonical_bytes(source.model_dump(mode="json"))).hexdigest(),
        row_ids=list(map(row_id, queries, responses)),
        source_ids=[item.source_id for item in items],
        queries=queries,
        responses=responses,
        numbers=range(1, len(items) + 1),
        counted="item",
    )


def _table(source: TableSource) -> Problems:
    stream = Stream(source)
    rows = list(stream)
    return Problems(
        name=stream.name,
        digest=stream.digest,
        row_ids=[row.row_id for row in rows],
        source_ids=[row.source_id for row in rows],
        queries=[row.query for row in rows],
        responses=[row.response for row in rows],
        numbers=[row.number for row in rows],
        counted=stream.counted,
    )


def _check_benchmark(problems: Problems, rule: AnswerRule) -> None:
    seen: dict[str, int] = {}
    for index, (item, reference) in enumerate(zip(problems.row_ids, problems.responses, strict=True)):
        if reference_of(rule, reference) is None:
            raise Refused(complaint(rule, problems.place(index), reference))
        if (first := seen.setdefault(item, index)) != index:
            raise Refused(
                f"{problems.place(index)} repeats the item of {problems.place(first)}; remove one of them"
            )


def _check_digest(hashed: Mapping[str, Any], found: Problems | Stream) -> None:
    if found.digest != hashed["digest"]:
        raise Refused(
            f"{found.name} has changed since the study was planned: its digest was "
            f"{hashed['digest'][:12]} and is {found.digest[:12]} now; "
            "run the study again to plan with the new content"
        )
