"""Draw other numbers for a problem, and write it anew."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from random import Random

from experiments.annotated.blueprint import Blueprint
from experiments.annotated.numerals import Number, Numeral, simplest, written_like

# In a row without anything new, before a problem counts as used up.
TRIES = 300
# How often a number stays as it is, where others change: some problems divide evenly in few ways only.
STAYS = 0.15

_ARTICLE = re.compile(r"\b(an?)(\s+\$?)$", re.IGNORECASE)
_VOWEL = re.compile(r"^(?:8|11(?!\d|,)|18(?!\d|,)|11,|18,)")


@dataclass(frozen=True)
class Variant:
    """A problem with other numbers."""

    numbers: tuple[Number, ...]
    question: str
    solution: str


def variants(plan: Blueprint, random: Random) -> Iterator[Variant]:
    """Draw problems that differ from the first and from one another, until no new one is found."""
    first = tuple(leaf.value for leaf in plan.leaves)
    before = plan.values(first)
    ranges = [_range(leaf) for leaf in plan.leaves]
    seen, failures = {first}, 0
    while failures < TRIES:
        failures += 1
        numbers = tuple(
            value if len(first) > 1 and random.random() < STAYS else random.choice(others)
            for value, others in zip(first, ranges, strict=True)
        )
        if numbers in seen or not _in_order(plan, numbers):
            continue
        seen.add(numbers)
        variant = _variant(plan, numbers, before)
        if variant is not None:
            failures = 0
            yield variant


def written(plan: Blueprint, numbers: Sequence[Number]) -> Variant | None:
    """The problem with these numbers; None where a result cannot be written as the first one was."""
    values = plan.values(numbers)
    question = _filled(plan.question, plan.asked, values)
    solution = _filled(plan.solution, plan.told, values)
    if question is None or solution is None:
        return None
    return Variant(tuple(numbers), question, solution)


def _variant(plan: Blueprint, numbers: Sequence[Number], before: Sequence[Number]) -> Variant | None:
    try:
        after = plan.values(numbers)
    except ZeroDivisionError:
        return None
    return written(plan, numbers) if all(map(_alike, before, after)) else None


def _alike(before: Number, after: Number) -> bool:
    """Whole stays whole, more than nothing stays so, and a share stays a share."""
    if before.denominator == 1 and after.denominator != 1:
        return False
    return (after > 0) == (before > 0) and (after < 1) == (before < 1) and (after == 1) == (before == 1)


def _in_order(plan: Blueprint, numbers: Sequence[Number]) -> bool:
    """Whether what was more is still more: of a question's numbers, a part stays below its whole."""
    pairs = [*zip((leaf.value for leaf in plan.leaves), numbers, strict=True), *((n, n) for n in plan.fixed)]
    return all(
        (one < other) == (new < changed) and (one == other) == (new == changed)
        for (one, new), (other, changed) in combinations(pairs, 2)
    )


def _range(leaf: Numeral) -> list[Number]:
    """Other numbers from half to twice the leaf, and as round as it is."""
    value, unit = leaf.value, Fraction(1, 10 ** len(leaf.text.partition(".")[2]))
    grains = [unit * base * 10**power for power in range(9) for base in (1, 5)]
    grain = max(grain for grain in grains if value % grain == 0 and (value >= 3 * grain or grain == unit))
    lowest, highest = max(Fraction(2), Fraction(value) / 2), max(2 * value, value + 3 * grain)
    multiples = (grain * count for count in range(-(-lowest // grain), int(highest // grain) + 1))
    return [simplest(multiple) for multiple in multiples if multiple != value]


def _filled(text: str, slots: Sequence[tuple[Numeral, int]], values: Sequence[Number]) -> str | None:
    parts, end = [], 0
    for number, origin in slots:
        new = written_like(number.text, values[origin])
        if new is None:
            return None
        parts += [_agreeing(text[end : number.start], number.text, new), new]
        end = number.end
    return "".join([*parts, text[end:]])


def _agreeing(lead: str, old: str, new: str) -> str:
    """The words before a number, with "a" or "an" as the number asks for; as they were where it was so."""
    found = _ARTICLE.search(lead)
    if found is None or bool(_VOWEL.match(old)) == bool(_VOWEL.match(new)):
        return lead
    article = found[1][0] + ("n" if _VOWEL.match(new) else "")
    return lead[: found.start()] + article + found[2]
