"""Read columns of text out of JSONL, JSON and Parquet files, folders of them, and data sets of the hub."""

import importlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.refusal import Refused
from orchestrator.specs import TableSource


@dataclass(frozen=True)
class Content:
    """Columns of text, and the line or row of the file that each value came from."""

    name: str
    columns: Mapping[str, Sequence[str]]
    numbers: Sequence[int]
    counted: str  # "line", "entry" or "row"


def name_of(source: TableSource) -> str:
    """What a person calls the table."""
    if source.path is not None:
        return source.path
    return " ".join(part for part in (source.repo, source.config, source.split) if part)


def read(source: TableSource) -> Content:
    """The columns that the source names, as text; numbers become text, anything else is refused.

    Raises Refused with file, line and remedy for what is missing, unreadable or malformed.
    """
    if source.path is None:
        if source.repo is None:
            raise Refused(
                "a table needs a path or a repo of the hub; give one of them, e.g. data.path=FOLDER or "
                "strategy.source.path=FILE"
            )
        return _read_dataset(source.repo, source)
    path = _file_of(Path(source.path), source.split)
    if path.is_dir():
        return _read_dataset(str(path), source)
    return _READERS.get(path.suffix.lower(), _read_unknown)(path, _wanted(source))


def values_by_line(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The object on each line of a JSONL file that is not blank, and the place for messages.

    Raises Refused with file and line for what is no object.
    """
    for number, line in _lines(path):
        place = f"line {number} of {path}"
        yield _object(_parsed(line, place), place), place


def text_of(values: Mapping[str, Any], name: str, place: str) -> str:
    """The value of that name as text. Raises Refused where it is missing or neither text nor a number."""
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


def _read_unknown(path: Path, _: Sequence[str]) -> Content:
    raise Refused(f"{path} ends in none of {', '.join(_READERS)}; convert it to one of them")


def _read_jsonl(path: Path, wanted: Sequence[str]) -> Content:
    columns: dict[str, list[str]] = {name: [] for name in wanted}
    numbers: list[int] = []
    for number, line in _lines(path):
        place = f"line {number} of {path}"
        _append(columns, _parsed(line, place), place)
        numbers.append(number)
    return Content(str(path), columns, numbers, "line")


def _read_json(path: Path, wanted: Sequence[str]) -> Content:
    rows = _parsed(b"".join(line for _, line in _lines(path)), str(path))
    if not isinstance(rows, list):
        raise Refused(f"{path} holds no array of objects; write one object per line and call it .jsonl")
    columns: dict[str, list[str]] = {name: [] for name in wanted}
    for number, row in enumerate(rows, 1):
        _append(columns, row, f"entry {number} of {path}")
    return Content(str(path), columns, range(1, len(rows) + 1), "entry")


def _read_parquet(path: Path, wanted: Sequence[str]) -> Content:
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, wanted, str(path))
            table = file.read(columns=list(wanted))
    except (OSError, pa.ArrowInvalid) as error:
        raise Refused(f"{path} cannot be read as Parquet: {_first_line(error)}") from error
    return _content(table, wanted, str(path))


def _read_dataset(place: str, source: TableSource) -> Content:
    """A data set of the hub, or a local folder in the hub's layout."""
    datasets = importlib.import_module("datasets")  # takes a second to import, and files do not need it
    datasets.disable_progress_bars()
    name, wanted = name_of(source), _wanted(source)
    try:
        rows = datasets.load_dataset(
            place,
            source.config,
            split=source.split,
            revision=source.revision,
            streaming=source.path is not None,  # what is here already needs no copy in the cache
        )
        parts = list(rows.with_format("arrow").iter(batch_size=10_000))
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise Refused(
            f"{name} (split {source.split}) cannot be loaded: {_first_line(error)}; "
            "correct the source, or give a folder that holds it, as data.path=FOLDER does"
        ) from error
    table = pa.concat_tables(parts or [pa.table({column: pa.array([], pa.string()) for column in wanted})])
    _check_columns(table.column_names, wanted, name)
    return _content(table, wanted, name)


_READERS = {".jsonl": _read_jsonl, ".parquet": _read_parquet, ".json": _read_json}


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


def _append(columns: Mapping[str, list[str]], row: Any, place: str) -> None:
    values = _object(row, place)
    for name, column in columns.items():
        column.append(text_of(values, name, place))


def _object(row: Any, place: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise Refused(f"{place} is {type(row).__name__}, not an object; write one object per line")
    return row


def _check_columns(there: Sequence[str], wanted: Sequence[str], place: str) -> None:
    for name in wanted:
        if name not in there:
            raise Refused(f"{place} has no column '{name}'; there is {', '.join(map(repr, there)) or 'none'}")


def _content(table: pa.Table, wanted: Sequence[str], name: str) -> Content:
    columns = {column: _texts(table[column], column, name) for column in wanted}
    return Content(name, columns, range(1, len(table) + 1), "row")


def _texts(values: pa.ChunkedArray, column: str, name: str) -> list[str]:
    return [
        _text(value, column, f"row {number} of {name}") for number, value in enumerate(values.to_pylist(), 1)
    ]


def _text(value: Any, column: str, place: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        found = "nothing" if value is None else type(value).__name__
        raise Refused(f"{place} has {found} in column '{column}'; text or a number belongs there")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refused(f"{place} has half a character in column '{column}' ({error.reason})") from error
    return value


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
