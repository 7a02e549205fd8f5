"""Read columns of text out of JSONL, JSON and Parquet files, folders of them, and data sets of the hub.

Rows come a stretch at a time, so that a table may be larger than memory; only a JSON array is read whole.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.refusal import Refused
from orchestrator.specs import TableSource

ROWS = 4096  # of a stretch


@dataclass(frozen=True)
class Content:
    """Columns of text, and the line or row of the file that each value came from."""

    columns: Mapping[str, Sequence[str]]
    numbers: Sequence[int]


@dataclass(frozen=True)
class Table:
    """A table that is read as its stretches are drawn: what people call it, and what its numbers count."""

    name: str
    counted: str  # "line", "entry" or "row"
    stretches: Iterator[Content]


def name_of(source: TableSource) -> str:
    """What a person calls the table."""
    if source.path is not None:
        return source.path
    return " ".join(part for part in (source.repo, source.config, source.split) if part)


def open_table(source: TableSource) -> Table:
    """The columns that the source names, as text; numbers become text, anything else is refused.

    Raises Refused with file, line and remedy for what is missing, unreadable or malformed: at once, or when
    the stretch is drawn in which it is.
    """
    if source.path is None:
        if source.repo is None:
            raise Refused(
                "a table needs a path or a repo of the hub; give one of them, e.g. data.path=FOLDER or "
                "strategy.source.path=FILE"
            )
        return Table(name_of(source), "row", _read_dataset(source.repo, source))
    path = _file_of(Path(source.path), source.split)
    if path.is_dir():
        return Table(name_of(source), "row", _read_dataset(str(path), source))
    if path.suffix.lower() not in _READERS:
        raise Refused(f"{path} ends in none of {', '.join(_READERS)}; convert it to one of them")
    counted, reader = _READERS[path.suffix.lower()]
    return Table(str(path), counted, reader(path, _wanted(source)))


def values_by_line(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The object on each line of a JSONL file that is not blank, and the place for messages.

    Raises Refused with file and line for what is no object.
    """
    for number, line in _lines(path):
        place = f"line {number} of {path}"
        yield _object(_parsed(line, place), place), place


def text_of(values: Mapping[str, Any], name: str, place: str) -> str:
    """The value of that name as text. Raises Refused where it is missing or neither text nor a number."""
    if name not in values:
        _check_columns(list(values), [name], place)
    return _text(values[name], name, place)


def _file_of(path: Path, split: str) -> Path:
    """The file of a split if the folder holds one by that name; otherwise the path as it is."""
    if not path.exists():
        raise Refused(
            f"{path} does not exist; give the path of a JSONL or Parquet file, or of a folder of them"
        )
    named = (path / f"{split}{suffix}" for suffix in _READERS) if path.is_dir() else iter(())
    return next((file for file in named if file.is_file()), path)


def columns_of(query: str) -> list[str]:
    """The columns that make up a query: those that its text names in braces, or else the one that it is."""
    return re.findall(r"\{([^{}]+)\}", query) or [query]


def _wanted(source: TableSource) -> list[str]:
    names = (*columns_of(source.query), source.response, source.source, *source.where)
    return list(dict.fromkeys(name for name in names if name is not None))


def _read_jsonl(path: Path, wanted: Sequence[str]) -> Iterator[Content]:
    lines = _lines(path)
    while some := list(islice(lines, ROWS)):
        places = [f"line {number} of {path}" for number, _ in some]
        rows = [_parsed(line, place) for (_, line), place in zip(some, places, strict=True)]
        yield Content(_columns(rows, places, wanted), [number for number, _ in some])


def _read_json(path: Path, wanted: Sequence[str]) -> Iterator[Content]:
    rows = _parsed(b"".join(line for _, line in _lines(path)), str(path))
    if not isinstance(rows, list):
        raise Refused(f"{path} holds no array of objects; write one object per line and call it .jsonl")
    for start in range(0, len(rows), ROWS):
        numbers = range(start + 1, min(start + ROWS, len(rows)) + 1)
        places = [f"entry {number} of {path}" for number in numbers]
        yield Content(_columns(rows[start : start + ROWS], places, wanted), numbers)


def _read_parquet(path: Path, wanted: Sequence[str]) -> Iterator[Content]:
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, wanted, str(path))
            yield from _contents(file.iter_batches(ROWS, columns=list(wanted)), wanted, str(path))
    except (OSError, pa.ArrowInvalid) as error:
        raise Refused(f"{path} cannot be read as Parquet: {_first_line(error)}") from error


def _read_dataset(place: str, source: TableSource) -> Iterator[Content]:
    """A data set of the hub, or a local folder in the hub's layout."""
    datasets = importlib.import_module("datasets")  # takes a second to import, and files do not need it
    datasets.disable_progress_bars()
    name = name_of(source)
    try:
        rows = datasets.load_dataset(
            place,
            source.config,
            split=source.split,
            revision=source.revision,
            streaming=source.path is not None,  # what is here already needs no copy in the cache
        )
        stretches = rows.with_format("arrow").iter(batch_size=ROWS)
        yield from _contents(stretches, _wanted(source), name)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise Refused(
            f"{name} (split {source.split}) cannot be loaded: {_first_line(error)}; "
            "correct the source, or give a folder that holds it, as data.path=FOLDER does"
        ) from error


_READERS: dict[str, tuple[str, Callable[[Path, Sequence[str]], Iterator[Content]]]] = {
    ".jsonl": ("line", _read_jsonl),
    ".parquet": ("row", _read_parquet),
    ".json": ("entry", _read_json),
}


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, counted from 1."""
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if not line.isspace():
                    yield number, line
    except OSError as error:
        raise Refused(
            f"{path} cannot be read: {error.strerror}; check the path and its permissions"
        ) from error


def _parsed(text: bytes, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{place} is not JSON in UTF-8 ({error}); write one object per line") from error


def _columns(rows: Sequence[Any], places: Sequence[str], wanted: Sequence[str]) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {name: [] for name in wanted}
    for row, place in zip(rows, places, strict=True):
        values = _object(row, place)
        for name, column in columns.items():
            column.append(text_of(values, name, place))
    return columns


def _object(row: Any, place: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise Refused(f"{place} is {type(row).__name__}, not an object; write one object per line")
    return row


def _check_columns(there: Sequence[str], wanted: Sequence[str], place: str) -> None:
    for name in wanted:
        if name not in there:
            raise Refused(f"{place} has no column '{name}'; there is {', '.join(map(repr, there)) or 'none'}")


def _contents(
    stretches: Iterable[pa.RecordBatch | pa.Table], wanted: Sequence[str], name: str
) -> Iterator[Content]:
    start = 1
    for stretch in stretches:
        _check_columns(stretch.schema.names, wanted, name)
        numbers = range(start, start + len(stretch))
        start += len(stretch)
        yield Content({column: _texts(stretch[column], column, numbers, name) for column in wanted}, numbers)


def _texts(values: pa.Array | pa.ChunkedArray, column: str, numbers: Sequence[int], name: str) -> list[str]:
    return [
        _text(value, column, f"row {number} of {name}")
        for number, value in zip(numbers, values.to_pylist(), strict=True)
    ]


def _text(value: Any, column: str, place: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        found = "nothing" if value is None else type(value).__name__
        raise Refused(f"{place} has {found} in column '{column}'; text or a number belongs there")
    try:
        if not value.isascii():
            value.encode()
    except UnicodeEncodeError as error:
        raise Refused(f"{place} has half a character in column '{column}' ({error.reason})") from error
    return value


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
