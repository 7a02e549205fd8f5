"""Takes an answer in LaTeX apart: lists, sets, intervals, points, matrices, inequalities, equations."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from experiments.grading import numbers
from experiments.grading.leaves import TEXT, leaf, without_unit
from experiments.grading.parts import Group, Leaf, Value
from experiments.grading.tex import brackets, clean, depth, split, squeezed

# Longer or deeper is no answer to a competition problem: the longest of MATH has 81 characters.
LONGEST_ANSWER = 1_000
DEEPEST_ANSWER = 30

_COMMA = frozenset((",", ";"))
_UNION = frozenset((r"\cup",))
_MATRIX = re.compile(r"\\begin\{([pb]?matrix)\}(.*)\\end\{\1\}", re.DOTALL)
# x, x_1, f(2), P(A \cap B), AB, \angle A, \cos x, (x, y), |z|, \text{Area}.
_NAME = (
    r"(?:(?:[A-Za-z]|\\[a-z]+)(?:_(?:\w|\{[^{}]*\}))?(?:\([^()=<>]*\))?|[A-Z]{2,3}|m? ?\\angle ?[A-Z]{1,3}"
    r"|\\(?:sin|cos|tan) ?\\?[A-Za-z]+|\([A-Za-z, ]+\)|\|[^|=<>]+\||\\text\{[^{}]*\})"
)
_NAMED = re.compile(rf"({_NAME}) ?= ?(?:[^=<>,;]*= ?)*([^=<>]+)")
_EQUALS = frozenset(("=", r"\approx"))
_OTHER_RELATION = re.compile(r"[<>]|\\(?:le|ge|ne|in)(?![A-Za-z])")
_CHOICE = re.compile(r"(?:\\text\{ ?\(([A-E])\) ?\}|\(\\text\{([A-E])\}\)|\(([A-E])\)) ?(\S.*)")
_OUTWARD = re.compile(r"([\[\]])([^\[\]]+[,;][^\[\]]+)([\[\]])")
_UNEQUAL = re.compile(r"(?:[A-Za-z]|\\[a-z]+) ?\\ne(?![A-Za-z]) ?([^A-Za-z,<>=]+)")
_BUILDER = re.compile(r"\\\{ ?[A-Za-z] ?(?:\\in ?\(-\\infty,\\infty\) ?)?(?:\\mid(?![A-Za-z])|\||:)(.+)\\\}")
_MAGNITUDE = re.compile(r"\| ?([A-Za-z]) ?\| ?(<|>|\\le(?![A-Za-z])|\\ge(?![A-Za-z]))([^A-Za-z,<>=]+)")
_MEMBER = re.compile(r"^(?:[A-Za-z]|\\[a-z]+) ?\\in(?![A-Za-z]) ?")
_RELATION = re.compile(r"(<|>|\\le(?![A-Za-z])|\\ge(?![A-Za-z]))")
_RISING = frozenset(("<", r"\le"))
_TURNED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
_COMMAND = re.compile(r"\\[A-Za-z]+")
_VARIABLE = re.compile(r"[A-Za-z]|\\(?:alpha|beta|theta|phi|lambda|mu)")


@lru_cache(maxsize=100_000)
def read(answer: str) -> Value | None:
    """The value of an answer; None where there is none, or it is too long or too deep to be one."""
    if len(answer) > LONGEST_ANSWER:
        return None
    text = clean(answer)
    return _value(text) if text and depth(text) <= DEEPEST_ANSWER else None


def _value(text: str) -> Value:
    if (inner := TEXT.fullmatch(text)) is not None:
        return _in_words(_value(inner[1].strip()))
    if (named := _NAMED.fullmatch(text)) is not None:
        return replace(_value(named[2]), name=squeezed(named[1]))
    text = _MEMBER.sub("", _BUILDER.sub(r"\1", text).strip())
    for structure in _STRUCTURES:
        if (found := structure(text)) is not None:
            return found
    return leaf(text)


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


def _outward(text: str) -> Value | None:
    """Open intervals as some countries write them: ]0,1[."""
    found = _OUTWARD.fullmatch(text)
    if found is None or (found[1], found[3]) == ("[", "]"):
        return None
    return _bracketed(f"{'[' if found[1] == '[' else '('}{found[2]}{']' if found[3] == ']' else ')'}")


def _choice(text: str) -> Value | None:
    """A letter and what it stands for: (B) 12."""
    found = _CHOICE.fullmatch(text)
    if found is None:
        return None
    letter = found[1] or found[2] or found[3]
    return Leaf(squeezed(text), sides=(Leaf(letter, word=True), _value(found[4])))


def _equation(text: str) -> Value | None:
    """Its right side is what it comes to; of an approximation both may be asked for."""
    parts = split(text, _EQUALS)
    if len(parts) == 1 or not all(parts) or _OTHER_RELATION.search(text):
        return None
    named = re.fullmatch(_NAME, parts[0]) is not None
    is_open = not named and re.search("[A-Za-z]", _COMMAND.sub("", parts[0])) is not None
    sides = parts[named:] if r"\approx" in text else parts[-1:]
    return Leaf(squeezed(text), sides=tuple(map(_value, sides)), open=is_open)


def _joined(text: str) -> Value | None:
    for separators in (_COMMA, _UNION):
        parts = [part for part in split(text, separators) if part]
        if len(parts) > 1 and numbers.whole(without_unit(text)) is None:
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


def _magnitude(text: str) -> Value | None:
    """What lies near to 0, or far from it: |x| < 1."""
    if (found := _MAGNITUDE.fullmatch(text)) is None:
        return None
    name, relation, bound = found[1], found[2], found[3].strip()
    if relation in _RISING:
        return _inequality(f"-{bound}{relation} {name}{relation} {bound}")
    closing, opening = (")", "(") if relation == ">" else ("]", "[")
    return _value(rf"(-\infty,-{bound}{closing}\cup{opening}{bound},\infty)")


def _unequal(text: str) -> Value | None:
    found = _UNEQUAL.fullmatch(text)
    return _value(rf"(-\infty,{found[1]})\cup({found[1]},\infty)") if found else None


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
    return Group("set", tuple(map(leaf, both)), squeezed(text))


# In this order: what one of them takes apart is nothing for the next.
_STRUCTURES = (
    *(_matrix, _outward, _bracketed, _choice, _joined),
    *(_inequality, _magnitude, _unequal, _signs, _equation),
)
