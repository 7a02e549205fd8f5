"""Replaces single values of a resolved config, and every value that follows them by interpolation."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str, ...]

# `${a.b}`, and the resolvers whose answer depends on no other value of the config.
REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*(?:\.\w+)*)\}")
RELATIVE = re.compile(r"\$\{(\.+)(\w+(?:\.\w+)*)\}")  # one dot: beside; each more: a level up
CONSTANT = re.compile(r"\$\{(?:oc\.env|now|hydra|python_version):[^${}]*\}")


@dataclass(frozen=True)
class Leaves:
    """A config in which some leaves vary; parts that no leaf touches are the same object in every copy."""

    resolved: Mapping[str, Any]  # the whole config for one choice of the leaves
    places: Mapping[str, Collection[Path]]  # leaf -> wherever its value stands
    _parts: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _movers: dict[str, list[tuple[str, list[Path]]]] = field(default_factory=dict)

    def config(self, values: Mapping[str, object], keys: Collection[str]) -> dict[str, Any]:
        """The named top-level parts of the config, with these values of the leaves."""
        texts = {leaf: repr(value) for leaf, value in values.items()}
        return {key: self._part(key, values, texts) for key in keys}

    def _part(self, key: str, values: Mapping[str, object], texts: Mapping[str, str]) -> Any:
        movers = self._movers.get(key)
        if movers is None:
            movers = self._movers[key] = self._movers_of(key)
        if not movers:
            return self.resolved[key]
        name = (key, *[texts[leaf] for leaf, _ in movers])
        if name not in self._parts:
            part = self.resolved[key]
            for leaf, paths in movers:
                for path in paths:
                    part = _replaced(part, path, values[leaf])
            self._parts[name] = part
        return self._parts[name]

    def _movers_of(self, key: str) -> list[tuple[str, list[Path]]]:
        """The leaves that stand somewhere under a key, and where."""
        inside = {leaf: [path[1:] for path in paths if path[0] == key] for leaf, paths in self.places.items()}
        return [(leaf, paths) for leaf, paths in inside.items() if paths]


def places(raw: Mapping[str, Any], leaves: Collection[str]) -> dict[str, set[Path]] | None:
    """Where the value of each leaf stands in a config that is not resolved yet.

    None where plain references cannot tell: a leaf that is no single value of its own place, or a value
    computed from a leaf.
    """
    own = {leaf: tuple(leaf.split(".")) for leaf in leaves}
    if not _is_named(raw) or not all(_is_single(raw, path) for path in own.values()):
        return None
    expressions = [(path, text) for path, text in _expressions(raw) if path not in own.values()]
    found = {leaf: _followers(path, expressions) for leaf, path in own.items()}
    reached = set().union(*found.values())
    if any(_computes(text, reached) for _, text in expressions if not REFERENCE.fullmatch(text)):
        return None
    return found


def _is_named(node: Any) -> bool:
    """Whether every key is a text: YAML makes other things of `on` and `1`, which references then miss."""
    if isinstance(node, dict):
        return all(isinstance(key, str) and _is_named(value) for key, value in node.items())
    return not isinstance(node, list) or all(map(_is_named, node))


def _is_single(raw: Any, path: Path) -> bool:
    for part in path:
        if not isinstance(raw, dict) or part not in raw:
            return False
        raw = raw[part]
    return not isinstance(raw, dict | list)


def _expressions(node: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _expressions(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _expressions(value, (*path, str(index)))
    elif isinstance(node, str) and "${" in node:
        yield path, RELATIVE.sub(lambda found: _absolute(path, found), node)


def _absolute(path: Path, relative: re.Match[str]) -> str:
    """The same reference from the top."""
    return f"${{{'.'.join((*path[: -len(relative[1])], relative[2]))}}}"


def _followers(leaf: Path, expressions: Collection[tuple[Path, str]]) -> set[Path]:
    """The leaf's own place and all that are a reference to it, to what holds it, or to such a place."""
    found = {leaf}
    fresh = [leaf]
    while fresh:
        target = fresh.pop()
        for path, text in expressions:
            reference = REFERENCE.fullmatch(text)
            if reference and _begins(target, referred := tuple(reference[1].split("."))):
                place = path + target[len(referred) :]
                if place not in found:
                    found.add(place)
                    fresh.append(place)
    return found


def _computes(text: str, reached: Collection[Path]) -> bool:
    """Whether an expression may depend on a leaf in another way than by being its value."""
    if "${" in REFERENCE.sub("", CONSTANT.sub("", text)):
        return True
    referred = [tuple(name.split(".")) for name in REFERENCE.findall(text)]
    return any(_begins(target, path) or _begins(path, target) for target in reached for path in referred)


def _begins(path: Path, start: Path) -> bool:
    return path[: len(start)] == start


def _replaced(node: Any, path: Path, value: object) -> Any:
    """A copy that shares everything beside the path."""
    if not path:
        return value
    if isinstance(node, list):
        index = int(path[0])
        return [*node[:index], _replaced(node[index], path[1:], value), *node[index + 1 :]]
    return {**node, path[0]: _replaced(node[path[0]], path[1:], value)}
