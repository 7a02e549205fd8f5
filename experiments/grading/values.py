"""What an answer in LaTeX is made of: numbers, words, expressions; alone, in lists, intervals, matrices."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from experiments.grading import numbers
from experiments.grading.tex import brackets, clean, depth, split, squeezed

# Longer or deeper is no answer to a competition problem: the longest of MATH has 81 characters.
LONGEST_ANSWER = 1_000
DEEPEST_ANSWER = 30

_COMMA = frozenset((",", ";"))
_UNION = frozenset((r"\cup",))
_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_MATRIX = re.compile(r"\\begin\{([pb]?matrix)\}(.*)\\end\{\1\}", re.DOTALL)
_NAMED = re.compile(
    r"((?:[A-Za-z]|\\[a-z]+)(?:_\w)?(?:\([A-Za-z, ]+\))?|\([A-Za-z, ]+\)|\\text\{[^{}]*\}) ?= ?([^=<>]+)"
)
_MEMBER = re.compile(r"^(?:[A-Za-z]|\\[a-z]+) ?\\in(?![A-Za-z]) ?")
_RELATION = re.compile(r"(<|>|\\le(?![A-Za-z])|\\ge(?![A-Za-z]))")
_RISING = frozenset(("<", r"\le"))
_TURNED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
_COMMAND = re.compile(r"\\[A-Za-z]+")
_VARIABLE = re.compile(r"[A-Za-z]|\\(?:alpha|beta|theta|phi|lambda|mu)")
_BASED = re.compile(r"(-?[0-9A-Z]*(?:\.?[0-9A-Z]+))_(?:\{(\d{1,2})\}|(\d))")
# Twelve o'clock is no twelve: the unit is part of what such a text says.
_TIME = re.compile(r"[ap]\.? ?m\b", re.IGNORECASE)
_UNIT = re.compile(r"(?: ?\\text\{[^{}]*\}(?: ?\^\{?\d\}?)?| ?\^ ?\\circ(?: ?[CF](?![A-Za-z]))?)+$")
_BARE_UNIT = re.compile(
    r"(?<=[0-9}])(?: ?(?:square|cubic|sq\.?))?"
    r"(?: [A-Za-z]{3,}| ?(?:cm|mm|km|kg|ft|in|yd|mi|mph|oz|lbs?|ml))(?: ?\^\d)?$"
)
_PERCENT = re.compile(r" ?(?:%|\\text\{ ?percent ?\}|percent)$")
_WORD = re.compile(r"[A-Za-z]{4,}(?: [A-Za-z]+)*|\d+:\d+.*")


@dataclass(frozen=True)
class Leaf:
    """What is compared as one: a number, a word, or an expression.

    `text` is without blanks; `number` is its exact value where it has one. `name` is what stood left of an
    equals sign. `digits` are those of a number in another base.
    """

    text: str
    number: Fraction | None = None
    percent: bool = False
    word: bool = False
    digits: str = ""
    base: int = 10
    name: str = ""


@dataclass(frozen=True)
class Group:
    """Several values. `kind` is a pair of brackets, `matrix`, `row`, or `set` where order means nothing."""

    kind: str
    parts: tuple["Value", ...]
    text: str
    name: str = ""


Value = Leaf | Group


@lru_cache(maxsize=100_000)
def read(answer: str) -> Value | None:
    """The value of an answer; None where there is none, or it is too long or too deep to be one."""
    if len(answer) > LONGEST_ANSWER:
        return None
    text = clean(answer)
    return _value(text) if text and depth(text) <= DEEPEST_ANSWER else None


def _value(text: str) -> Value:
    if (inner := _TEXT.fullmatch(text)) is not None:
        return _in_words(_value(inner[1].strip()))
    if (named := _NAMED.fullmatch(text)) is not None:
        return replace(_value(named[2]), name=squeezed(named[1]))
    text = _MEMBER.sub("", text)
    for group in (_matrix, _bracketed, _joined, _inequality, _signs):
        if (found := group(text)) is not None:
            return found
    return _leaf(text)


def _in_words(value: Value) -> Value:
    """What was written as text: letters are no variables there."""
    if isinstance(value, Group):
        return replace(value, parts=tuple(map(_in_words, value.parts)))
    return replace(value, word=value.number is None)


def _matrix(text: str) -> Value | None:
    matrix = _MATRIX.fullmatch(text)
    if matrix is None:
        return None
    rows = [row.split("&") for row in re.split(r"\\\\(?:\[[^\]]*\])?", matrix[2]) if row.strip()]
    parts = (Group("row", tuple(_value(cell.strip()) for cell in row), "&".join(row)) for row in rows)
    return Group("matrix", tuple(parts), squeezed(text))


def _bracketed(text: str) -> Value | None:
    found = brackets(text)
    if found is None:
        return None
    opening, inside, closing = found
    parts = split(inside, _COMMA)
    if len(parts) == 1:
        # A set of one is its element, and brackets around one thing are decoration.
        return _value(inside)
    kind = "set" if opening == r"\{" else opening + closing
    return Group(kind, tuple(map(_value, parts)), squeezed(text))


def _joined(text: str) -> Value | None:
    for separators in (_COMMA, _UNION):
        parts = [part for part in split(text, separators) if part]
        if len(parts) > 1 and numbers.whole(_without_unit(text)) is None:
            return Group("set", tuple(map(_value, parts)), squeezed(text))
    return None


def _inequality(text: str) -> Value | None:
    """An interval, where the text bounds one variable by numbers."""
    parts = [part.strip() for part in _RELATION.split(text)]
    if sum(bool(re.search("[A-Za-z]", _COMMAND.sub("", part))) for part in parts) > 1:
        return None
    match parts:
        case [variable, relation, bound] if _VARIABLE.fullmatch(variable):
            return _interval([(bound, _TURNED[relation])])
        case [bound, relation, variable] if _VARIABLE.fullmatch(variable):
            return _interval([(bound, relation)])
        case [first, relation, variable, other, second] if _VARIABLE.fullmatch(variable):
            if (relation in _RISING) == (other in _RISING):
                return _interval([(first, relation), (second, _TURNED[other])])
    return None


def _interval(bounds: Sequence[tuple[str, str]]) -> Value:
    """All numbers that are right of the bound in each relation `bound < number`."""
    opening, lower, upper, closing = "(", r"-\infty", r"\infty", ")"
    for bound, relation in bounds:
        if relation in _RISING:
            opening, lower = "(" if relation == "<" else "[", bound
        else:
            upper, closing = bound, ")" if relation == ">" else "]"
    return Group(
        opening + closing, (_value(lower), _value(upper)), squeezed(f"{opening}{lower},{upper}{closing}")
    )


def _signs(text: str) -> Value | None:
    if r"\pm" not in text:
        return None
    both = (re.sub(r"\\pm(?![A-Za-z])", sign, text).strip() for sign in "+-")
    return Group("set", tuple(map(_leaf, both)), squeezed(text))


def _leaf(text: str) -> Leaf:
    if _TIME.search(text):
        return Leaf(squeezed(_TEXT.sub(r"\1", text)), word=True)
    text = text.removeprefix("+").strip()
    bare = _without_unit(_PERCENT.sub("", text))
    percent = _PERCENT.search(text) is not None
    if (based := _BASED.fullmatch(squeezed(bare))) is not None:
        return Leaf(squeezed(bare), digits=based[1].lstrip("0") or "0", base=int(based[2] or based[3]))
    number = numbers.whole(bare)
    if number is None:
        number = numbers.whole(squeezed(bare))
    word = number is None and _WORD.fullmatch(bare) is not None
    return Leaf(squeezed(bare), number, percent, word)


def _without_unit(text: str) -> str:
    for unit in (_UNIT, _BARE_UNIT):
        shorter = unit.sub("", text)
        text = shorter if shorter.strip() else text
    return text.strip()
