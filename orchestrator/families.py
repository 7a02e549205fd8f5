"""Composes the points of a sweep: once for those from the same config files, value by value within."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.leaves import Leaves, places
from orchestrator.refusal import Refused
from orchestrator.sweep import Values, distinct

MISSING = "???"


class Composed(Protocol):
    """A config as composed from one choice of config files."""

    def choice(self, name: str) -> Any:
        """The file chosen for a group."""

    def given(self, leaves: Values) -> "Composed":
        """The same with these single values in place."""

    def raw(self) -> dict[str, Any]:
        """As written, references unresolved."""

    def resolved(self) -> dict[str, Any]:
        """References replaced by what they refer to."""


@dataclass(frozen=True)
class Point:
    """One cell as composed: its place on every axis, and its resolved config."""

    axes: Mapping[str, Any]
    config: Mapping[str, Any]  # equal parts of different points are the same object


@dataclass(frozen=True)
class _Family:
    """Points from the same config files; they differ in single values."""

    composed: Composed
    leaves: Leaves | None  # None: plain references cannot tell what a value moves


@dataclass
class Families:
    """Remembers what was composed."""

    compose: Callable[[Values], Composed]
    choosing: Collection[str]  # axes that choose config files
    _known: dict[tuple[str, ...], _Family] = field(default_factory=dict)
    _parts: dict[str, Any] = field(default_factory=dict)
    _seen: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def points(
        self, sweep: Sequence[Values], names: Collection[str], keys: Collection[str]
    ) -> Iterator[Point]:
        """The points that differ on the named axes, once each; the config holds the given keys."""
        seen = set()
        for values in sweep:
            key = tuple((name, distinct(values[name])) for name in names if name in values)
            if key not in seen:
                seen.add(key)
                config = {name: self._shared(part) for name, part in self.config(values, keys).items()}
                yield Point({name.lstrip("+"): self._place(values, name) for name in names}, config)

    def idle(self, sweep: Sequence[Values], names: Collection[str], keys: Collection[str]) -> list[str]:
        """Axes that move no value under the keys, such as `seed` where both seeds are given."""
        known = {id(family): family for family in map(self._family, sweep)}.values()
        return [
            name
            for name in names
            if all(family.leaves is not None and _rests(family.leaves, name, keys) for family in known)
        ]

    def config(self, values: Values, keys: Collection[str]) -> dict[str, Any]:
        """The resolved config at a point."""
        family = self._family(values)
        leaves = self._leaves(values)
        if family.leaves is not None and not any(_is_special(value) for value in leaves.values()):
            return family.leaves.config(leaves, keys)
        config = family.composed.given(leaves).resolved()
        return {key: config[key] for key in keys}

    def _place(self, values: Values, name: str) -> Any:
        """The value on an axis, which may be an axis of another grid only."""
        if name in values:
            return values[name]
        if name in self.choosing:
            return self._family(values).composed.choice(name.lstrip("+"))
        top, *rest = name.split(".")
        node = self.config(values, [top])[top]
        for part in rest:
            node = node[part]
        return node

    def _leaves(self, values: Values) -> Values:
        return {name: value for name, value in values.items() if name not in self.choosing}

    def _family(self, values: Values) -> _Family:
        leaves = [name for name in values if name not in self.choosing]
        choices = {name: value for name, value in values.items() if name in self.choosing}
        key = (*leaves, *(f"{name}={distinct(value)}" for name, value in choices.items()))
        if key not in self._known:
            composed = self.compose(choices)
            first = composed.given({name: values[name] for name in leaves})
            raw = first.raw()
            _check_missing(raw)
            found = places(raw, leaves)
            known = None if found is None else Leaves(first.resolved(), found)
            self._known[key] = _Family(composed, known)
        return self._known[key]

    def _shared(self, part: Any) -> Any:
        """The first of all equal parts."""
        if not isinstance(part, dict):
            return part
        if id(part) not in self._seen:
            # Holding on to the part keeps its id its own.
            self._seen[id(part)] = (part, self._parts.setdefault(repr(part), part))
        return self._seen[id(part)][1]


def _rests(leaves: Leaves, name: str, keys: Collection[str]) -> bool:
    return name in leaves.places and not any(path[0] in keys for path in leaves.places[name])


def _is_special(value: object) -> bool:
    """Whether a value means more than itself to OmegaConf."""
    return isinstance(value, dict | list) or (isinstance(value, str) and ("${" in value or value == MISSING))


def _check_missing(node: Any, name: str = "") -> None:
    if node == MISSING:
        raise Refused(f"{name} has no value: give it one, {name}=...")
    if isinstance(node, dict):
        for key, value in node.items():
            _check_missing(value, f"{name}.{key}" if name else str(key))
