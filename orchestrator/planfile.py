"""A plan as a file: what many cells and artifacts share is written once, and is one object when read."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.files import read_json, write_once, write_text
from orchestrator.identity import digest

REFERENCE = "$part"


def write_plan(path: Path, document: Mapping[str, Any]) -> bool:
    """Write it once and for all; False where the file is there already."""
    return write_once(path, json.dumps(_folded(document), ensure_ascii=False) + "\n")


def read_plan(path: Path) -> dict[str, Any]:
    """As `docs/records.md` has it. Raises OSError and ValueError for what cannot be read."""
    document: dict[str, Any] = read_json(path)
    if isinstance(document, dict) and (parts := document.pop("parts", None)):
        for holder, name in _places(document):
            holder[name] = _part(holder[name], parts)
    return document


def write_index(path: Path, document: Mapping[str, Any]) -> None:
    """Beside a plan, `<n>.jsonl`: a line with where each artifact's line begins, then those lines.

    Jobs of a cluster read no more than their own artifacts.
    """
    index = path.with_suffix(".jsonl")
    if index.exists():
        return
    offsets, lines, position = {}, [], 0
    for key, artifact in document["artifacts"].items():
        line = json.dumps(artifact) + "\n"  # ASCII, so that characters are bytes
        offsets[key] = position
        position += len(line)
        lines.append(line)
    write_text(index, json.dumps(offsets) + "\n" + "".join(lines))


def read_artifacts(path: Path, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """These artifacts of a plan, as `docs/records.md` has them, through its index."""
    with path.with_suffix(".jsonl").open("rb") as stream:
        offsets = json.loads(stream.readline())
        begin = stream.tell()

        def at(offset: int) -> dict[str, Any]:
            stream.seek(begin + offset)
            artifact: dict[str, Any] = json.loads(stream.readline())
            return artifact

        return {key: at(offsets[key]) for key in keys}


def fingerprint(document: Mapping[str, Any]) -> str:
    """Equal for plans of the same cells, from data in the same places, analysed in the same way."""
    known: dict[int, str] = {}

    def short(value: Any) -> str:
        if id(value) not in known:
            known[id(value)] = digest(value)
        return known[id(value)]

    cells = [
        [cell["axes"], cell["reference"], cell["artifacts"], {k: short(v) for k, v in cell["cell"].items()}]
        for cell in document["cells"]
    ]
    places = {key: short(artifact["places"]) for key, artifact in document["artifacts"].items()}
    return digest([cells, places, document["settings"]["analysis"]])


def _folded(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same with `parts`, and references to them where an object comes more than once."""
    count = Counter(id(holder[name]) for holder, name in _places(document) if _foldable(holder[name]))
    numbers: dict[int, int] = {}
    parts: list[Any] = []

    def folded(value: Any) -> Any:
        if not _foldable(value) or count[id(value)] < 2:
            return value
        if id(value) not in numbers:
            numbers[id(value)] = len(parts)
            parts.append(value)
        return {REFERENCE: numbers[id(value)]}

    return {**_mapped(document, folded), "parts": parts}


def _places(document: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Where parts may be shared: the parts of cells, specs and places of artifacts."""
    for cell in document["cells"]:
        yield from ((cell["cell"], name) for name in cell["cell"])
    for artifact in document["artifacts"].values():
        yield artifact, "places"
        yield artifact, "spec"


def _mapped(document: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    cells = [
        {**cell, "cell": {name: change(part) for name, part in cell["cell"].items()}}
        for cell in document["cells"]
    ]
    artifacts = {
        key: {**artifact, "spec": change(artifact["spec"]), "places": change(artifact["places"])}
        for key, artifact in document["artifacts"].items()
    }
    return {**document, "cells": cells, "artifacts": artifacts}


def _part(value: Any, parts: list[Any]) -> Any:
    if isinstance(value, dict) and len(value) == 1 and REFERENCE in value:
        return parts[value[REFERENCE]]
    return value


def _foldable(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)
