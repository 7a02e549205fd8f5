"""From the axes of a study to its points: products, axes that move together, exclusions, further grids."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator import exclude
from orchestrator.refusal import Refused

Axes = Mapping[str, Sequence[object]]
Values = dict[str, object]  # axis -> value


@dataclass(frozen=True)
class Sweep:
    """What an experiment declares."""

    axes: Axes
    zip: Sequence[Sequence[str]] = ()  # groups of axes that move together
    exclude: Sequence[str] = ()  # expressions over the axes
    also: Sequence[Axes] = ()  # further grids: axes that replace those of the main grid, or join them


@dataclass(frozen=True)
class Expansion:
    """The points of a sweep, the first axis slowest, and what a reader of the plan should know of them."""

    points: tuple[Values, ...]
    notes: tuple[str, ...] = field(default=())


def expand(sweep: Sweep, given: Axes) -> Expansion:
    """All points of a sweep once, with the axes given on the command line in place of the declared ones.

    Raises Refused for a grid that cannot be meant: an empty axis, a value twice (but for axes that move
    together), axes that move together but differ in length, an exclusion that is no expression over the axes
    or leaves nothing.
    """
    main = {**sweep.axes, **given}
    grids = [main, *({**main, **extra} for extra in sweep.also)]
    together = [group for group in sweep.zip if not _is_torn(group, given)]
    moved = {name for group in together for name in group}
    for name, values in itertools.chain(main.items(), *(extra.items() for extra in sweep.also)):
        _check_values(name, values, once=name not in moved)
    names = set().union(*grids)
    _check_groups(sweep.zip, names)
    main_points = _grid_points(main, together)
    also_points = [
        _grid_points(grid, [group for group in together if not _is_torn(group, extra)])
        for grid, extra in zip(grids[1:], sweep.also, strict=True)
    ]
    exclusions = [exclude.parse(text, names) for text in sweep.exclude]
    points = [
        point
        for point in _once(itertools.chain(main_points, *also_points))
        if not any(exclusion.holds(point) for exclusion in exclusions)
    ]
    if not points:
        raise Refused(f"nothing is left of the sweep after exclude {'; '.join(sweep.exclude)}")
    return Expansion(tuple(points), tuple(_notes(sweep.zip, given)))


def distinct(value: object) -> str:
    """A text that is equal for equal values only: the count 1, the share 1.0 and "1" are three values."""
    return repr(value)


def _check_values(name: str, values: Sequence[object], *, once: bool) -> None:
    """Beside another that moves with it an axis may have a value at several places."""
    if not values:
        raise Refused(f"axis '{name}' is empty: give it at least one value, {name}=...")
    seen = set()
    for value in values:
        if once and distinct(value) in seen:
            raise Refused(f"axis '{name}' has the value {value} twice: give each value once")
        seen.add(distinct(value))


def _check_groups(groups: Sequence[Sequence[str]], names: set[str]) -> None:
    taken: set[str] = set()
    for group in groups:
        for name in group:
            if name not in names:
                known = ", ".join(sorted(names))
                raise Refused(f"zip names '{name}', which is no axis of this sweep: its axes are {known}")
            if name in taken:
                raise Refused(f"zip names '{name}' twice: an axis moves with one group")
            taken.add(name)


def _is_torn(group: Sequence[str], given: Axes) -> bool:
    """Whether only some of the axes that move together were replaced."""
    return 0 < sum(name in given for name in group) < len(group)


def _grid_points(axes: Axes, groups: Sequence[Sequence[str]]) -> Iterable[Values]:
    """The product of a grid; axes that move together stand where the first of them stands."""
    group_of = {name: tuple(group) for group in groups if set(group) <= axes.keys() for name in group}
    blocks = list(dict.fromkeys(group_of.get(name, (name,)) for name in axes))
    rows = [list(zip(*_same_length(block, axes), strict=True)) for block in blocks]
    order = [name for block in blocks for name in block]
    for combination in itertools.product(*rows):
        yield dict(zip(order, itertools.chain.from_iterable(combination), strict=True))


def _same_length(block: Sequence[str], axes: Axes) -> list[Sequence[object]]:
    lengths = {name: len(axes[name]) for name in block}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise Refused(f"axes that move together need as many values each: {told}")
    return [axes[name] for name in block]


def _once(points: Iterable[Values]) -> Iterable[Values]:
    seen = set()
    for point in points:
        key = tuple(sorted((name, distinct(value)) for name, value in point.items()))
        if key not in seen:
            seen.add(key)
            yield point


def _notes(groups: Sequence[Sequence[str]], given: Axes) -> Iterable[str]:
    for group in groups:
        if _is_torn(group, given):
            replaced = " and ".join(name for name in group if name in given)
            yield f"{' and '.join(group)} no longer move together: {replaced} was given on the command line"
