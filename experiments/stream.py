"""The rows of a table, one by one, and the digest of their content once they are drawn."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from experiments import tables
from experiments.text import query_id, row_id
from orchestrator.refusal import Refused
from orchestrator.specs import TableSource


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
                self._content.update(canonical_bytes(problem[: 2 if problem.named is None else 3]) + b"\n")
                yield problem
        if not n_rows:
            raise Refused(f"{self.name} holds no rows; name a file that does")
        if not n_chosen:
            raise Refused(
                f"none of the {n_rows} rows of {self.name} matches {self._source.where}; change `where`"
            )


def canonical_bytes(value: Any) -> bytes:
    """What digests of content are made of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


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
