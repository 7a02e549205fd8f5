"""Turns composed configs into specs, or says in one sentence why a config is none."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.cell import Cell
from orchestrator.families import Point
from orchestrator.refusal import Refused, offer
from orchestrator.settings import Settings


def settings(config: Mapping[str, Any]) -> Settings:
    """Raises Refused for settings that are none."""
    try:
        return Settings.model_validate(config)
    except ValidationError as error:
        raise Refused(explain(error, Settings, config)) from error


def cells(points: Sequence[Point]) -> Iterator[tuple[Mapping[str, Any], Cell]]:
    """Every point's place and cell; parts that are one object in the configs are one in the cells.

    Raises Refused for a config that is no cell.
    """
    known: dict[int, Any] = {}
    for point in points:
        parts = {key: known.get(id(part), part) for key, part in point.config.items()}
        try:
            cell = Cell.model_validate(parts)
        except ValidationError as error:
            raise Refused(explain(error, Cell, point.config)) from error
        for key, part in point.config.items():
            if isinstance(part, dict):
                known.setdefault(id(part), getattr(cell, key))
        yield point.axes, cell


def explain(error: ValidationError, model: type[BaseModel], config: Mapping[str, Any]) -> str:
    """The first thing that is wrong: the dotted key, its value, and what is allowed there."""
    details = error.errors()
    first = details[0]
    key = _key(first["loc"], config)
    match first["type"]:
        case "extra_forbidden":
            name = str(first["loc"][-1])
            return f"unknown key '{key}': {offer(name, _fields(model, first['loc'][:-1]))}"
        case "missing":
            return f"{key} has no value: give it one, {key}=..."
        case "union_tag_not_found":
            return f"{key}.kind has no value: {key} needs one"
        case "union_tag_invalid":
            context = first["ctx"]
            return f"{key}.kind={context['tag']} is not possible: allowed: {context['expected_tags']}"
    wishes = dict.fromkeys(_wish(detail) for detail in details if _key(detail["loc"], config) == key)
    return f"{key}={first['input']} is not possible: it should {', or '.join(wishes)}"


def _key(place: Sequence[int | str], config: Mapping[str, Any]) -> str:
    """The dotted key, without what pydantic adds to say which of several types it tried."""
    parts = []
    node: Any = config
    for part in place:
        inside = _has(node, part)
        if inside or (part == place[-1] and isinstance(node, Mapping)):
            parts.append(str(part))
        if inside:
            node = node[part]
    return ".".join(parts)


def _has(node: Any, part: int | str) -> bool:
    return isinstance(part, int) if isinstance(node, list) else isinstance(node, Mapping) and part in node


def _wish(detail: ErrorDetails) -> str:
    return detail["msg"].removeprefix("Input should ").removeprefix("String should ")


def _fields(model: type[BaseModel], place: Sequence[int | str]) -> set[str]:
    """The keys that a place may have."""
    models = [model]
    for part in place:
        inside = [
            kind
            for owner in models
            if part in owner.model_fields
            for kind in _models(owner.model_fields[str(part)].annotation)
        ]
        # A name that is no field is the tag of a union, or the key of a mapping.
        models = inside or [kind for kind in models if part in _tags(kind)] or models
    return {name for kind in models for name in kind.model_fields}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    return get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()
