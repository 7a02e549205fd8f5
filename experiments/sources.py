"""Read a source of problems, wherever it lies, into rows that know where they were found."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from experiments import tables, world
from experiments.grading.batch import complaint, reference_of
from experiments.text import query_id, row_id
from orchestrator.refusal import Refused
from orchestrator.specs import AnswerRule, Source, SymbolicSource, TableSource

_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


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

    def place(self, index: int) -> str:
        """Where a row was found, for people."""
        return f"{self.counted} {self.numbers[index]} of {self.name}"


class Problem(NamedTuple):
    """A row of a source. `named` is what its table calls the seed problem, where it says so."""

    query: str
    response: str
    named: str | None
    number: int

    @property
    def row_id(self) -> str:
        """The hash of query and response."""
        return row_id(self.query, self.response)

    @property
    def source_id(self) -> str:
        """The name of the seed problem, or the hash of the query."""
        return query_id(self.query) if self.named is None else self.named


class Stream:
    """The rows of a table one by one, in memory one stretch at a time.

    Once they are all drawn, `digest` is that of their content. Drawing raises Refused with file, line and
    remedy for what cannot be read, and where nothing is left.
    """

    def __init__(self, source: TableSource) -> None:
        self._source, self._table = source, tables.open_table(source)
        self._content = hashlib.sha256()
        self.name, self.counted = self._table.name, self._table.counted

    @property
    def digest(self) -> str:
        """Of the values alone, row by row: the same for the same rows in JSONL, in Parquet and on the hub."""
        return self._content.hexdigest()

    def __iter__(self) -> Iterator[Problem]:
        rule, n_rows, n_chosen = _Choice(self._source), 0, 0
        for stretch in self._table.stretches:
            n_rows += len(stretch.numbers)
            for problem in rule.chosen(stretch):
                n_chosen += 1
                self._content.update(_canonical(problem[: 2 if problem.named is None else 3]) + b"\n")
                yield problem
        if not n_rows:
            raise Refused(f"{self.name} holds no rows; name a file that does")
        if not n_chosen:
            raise Refused(
                f"none of the {n_rows} rows of {self.name} matches {self._source.where}; change `where`"
            )


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
    problems = read(located(hashed, places))
    if hashed["kind"] == "table":
        _check_digest(hashed, problems)
    return problems


def stream_hashed(hashed: Mapping[str, Any], places: Mapping[str, Any]) -> Iterator[Problem]:
    """The rows of a source as it stands in a spec, one by one; refused at the end if it has changed.

    Raises what `Stream` raises.
    """
    source = located(hashed, places)
    if isinstance(source, SymbolicSource):
        for number, item in enumerate(world.items(source), 1):
            yield Problem(item.query, item.response, item.source_id, number)
        return
    stream = Stream(source)
    yield from stream
    _check_digest(hashed, stream)


def located(hashed: Mapping[str, Any], places: Mapping[str, Any]) -> Source:
    """The full source of one that stands in a spec."""
    return _SOURCE.validate_python(places[hashed["digest"]] if hashed["kind"] == "table" else hashed)


def read(source: Source) -> Problems:
    """The rows of a source. Raises Refused with file, line and remedy for what cannot be read."""
    return _symbolic(source) if isinstance(source, SymbolicSource) else _table(source)


def name_of(source: Source) -> str:
    """What a person calls the source."""
    if isinstance(source, SymbolicSource):
        return f"the world's {source.part} part"
    return tables.name_of(source)


def _symbolic(source: SymbolicSource) -> Problems:
    items = world.items(source)
    queries = [item.query for item in items]
    responses = [item.response for item in items]
    return Problems(
        name=name_of(source),
        digest=hashlib.sha256(_canonical(source.model_dump(mode="json"))).hexdigest(),
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


class _Choice:
    """Rows that match every pattern of `where`, and of equal ones the first if they must be distinct."""

    def __init__(self, source: TableSource) -> None:
        self._source = source
        self._seen: set[bytes] = set()
        self._patterns: dict[str, re.Pattern[str]] = {}
        for column, pattern in source.where.items():
            try:
                self._patterns[column] = re.compile(pattern)
            except re.error as error:
                raise Refused(f"where.{column}={pattern!r} is no regular expression: {error}") from error

    def chosen(self, stretch: tables.Content) -> Iterator[Problem]:
        """Those of a stretch."""
        columns = stretch.columns
        names = None if self._source.source is None else columns[self._source.source]
        queries, responses = _queries(self._source.query, stretch), columns[self._source.response]
        for index, number in enumerate(stretch.numbers):
            if all(one.fullmatch(columns[name][index]) for name, one in self._patterns.items()):
                problem = Problem(
                    queries[index], responses[index], None if names is None else names[index], number
                )
                if not self._source.distinct or self._is_new(problem):
                    yield problem

    def _is_new(self, problem: Problem) -> bool:
        identity = bytes.fromhex(problem.row_id)
        new = identity not in self._seen
        self._seen.add(identity)
        return new


def _queries(query: str, content: tables.Content) -> Sequence[str]:
    if query in content.columns:
        return content.columns[query]
    names = tables.columns_of(query)
    template = re.sub(r"\{[^{}]+\}", "{}", query)
    return [template.format(*row) for row in zip(*(content.columns[name] for name in names), strict=True)]


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


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
