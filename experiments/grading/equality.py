"""When two answers are the same: decided by structure and exact numbers, expressions left to a judge."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from experiments.grading.parts import Group, Leaf, Value

# Whether two expressions are equal; None where it cannot tell.
Judge = Callable[[str, str], bool | None]

# Without one of these an expression is a single thing, and never several.
_SEVERAL = re.compile(r"[=<>]|\\\{|\\(?:le|ge|setminus|mid|cup|cap|in|mathbb|emptyset|begin)(?![A-Za-z])")


def same(reference: Value, answer: Value, judge: Judge) -> bool | None:
    """Whether the answer is what the reference asks for; None where the judge cannot tell.

    Order counts in brackets and matrices, and not in lists and sets. Numbers are compared exactly.
    """
    if isinstance(answer, Leaf) and answer.sides and not _is_equation(reference):
        return _any(same(reference, side, judge) for side in answer.sides)
    if isinstance(reference, Leaf) and reference.sides and not _is_equation(answer):
        return not reference.open and _any(same(side, answer, judge) for side in reference.sides)
    if isinstance(reference, Leaf) and isinstance(answer, Leaf):
        if reference.number is not None and answer.number is not None:
            # What the one number that is asked for is called makes no difference.
            reference, answer = replace(reference, name=""), replace(answer, name="")
        return _same_leaf(reference, answer, judge)
    if isinstance(reference, Group) and isinstance(answer, Group):
        return _same_group(reference, answer, judge)
    leaf = reference if isinstance(reference, Leaf) else answer
    assert isinstance(leaf, Leaf)
    if leaf.number is not None or leaf.word or not _SEVERAL.search(leaf.text):
        return False
    return judge(reference.text, answer.text)


def _is_equation(value: Value) -> bool:
    """Whether both sides count, as those of a line do; of `x = 5` only the number does."""
    return isinstance(value, Leaf) and bool(value.sides or (value.name and value.number is None))


def _any(verdicts: Iterable[bool | None]) -> bool | None:
    found = list(verdicts)
    return True if True in found else None if None in found else False


def _same_part(reference: Value, answer: Value, judge: Judge) -> bool | None:
    """Within a group the names tell numbers apart: x = 1, y = 2 is not x = 2, y = 1."""
    if isinstance(reference, Leaf) and isinstance(answer, Leaf):
        return _same_leaf(reference, answer, judge)
    return same(reference, answer, judge)


def _same_group(reference: Group, answer: Group, judge: Judge) -> bool | None:
    reference, answer = _as_point(reference, answer), _as_point(answer, reference)
    if "set" in (reference.kind, answer.kind) and reference.kind != answer.kind:
        # A union may be an interval; nothing else that is ordered is a set.
        whole = reference.text + answer.text
        return judge(reference.text, answer.text) if r"\cup" in whole else False
    if reference.kind != answer.kind or len(reference.parts) != len(answer.parts):
        return False
    if reference.kind == "set":
        return _same_unordered(reference.parts, answer.parts, judge)
    verdicts = [_same_part(*pair, judge) for pair in zip(reference.parts, answer.parts, strict=True)]
    return False if False in verdicts else None if None in verdicts else True


def _as_point(values: Group, other: Group) -> Group:
    """Coordinates by their names, where a point is asked for: of x = 1, y = 2 the point (1, 2)."""
    names = [part.name for part in values.parts]
    if (values.kind, other.kind) != ("set", "()") or not all(names) or len(set(names)) < len(names):
        return values
    parts = sorted(values.parts, key=lambda part: part.name)
    return Group(other.kind, tuple(replace(part, name="") for part in parts), values.text)


def _same_unordered(reference: Sequence[Value], answer: Sequence[Value], judge: Judge) -> bool | None:
    left = list(answer)
    open_questions = False
    for part in reference:
        verdicts = [_same_part(part, other, judge) for other in left]
        if True in verdicts:
            del left[verdicts.index(True)]
        elif None in verdicts:
            open_questions = True
        else:
            return False
    return None if open_questions else True


def _same_leaf(reference: Leaf, answer: Leaf, judge: Judge) -> bool | None:
    if _are_equations(reference, answer):
        return judge(_equation(reference), _equation(answer))
    if reference.digits or answer.digits:
        return _same_digits(reference, answer)
    if reference.number is not None and answer.number is not None:
        return answer.number in _readings(reference, answer)
    if reference.text == answer.text:
        return True
    if reference.word or answer.word:
        return _folded(reference.text) == _folded(answer.text)
    return judge(reference.text, answer.text)


def _are_equations(reference: Leaf, answer: Leaf) -> bool:
    """Whether what stands left of the equals sign is more than a name: `y = x` is `x` but not `x = y`."""
    if reference.name and answer.name:
        return reference.name != answer.name
    return bool((reference.name and "=" in answer.text) or (answer.name and "=" in reference.text))


def _equation(leaf: Leaf) -> str:
    return f"{leaf.name}={leaf.text}" if leaf.name else leaf.text


def _readings(reference: Leaf, answer: Leaf) -> tuple[Fraction, ...]:
    """What the answer may be. Where one of the two is in per cent: `30 %` may be asked for as 30 or 0.3."""
    assert reference.number is not None
    if reference.percent == answer.percent:
        return (reference.number,)
    return (reference.number, reference.number / 100 if reference.percent else reference.number * 100)


def _same_digits(reference: Leaf, answer: Leaf) -> bool:
    """The reference says which base is asked for; an answer may leave it out, and not name another."""
    base = answer.base if answer.digits or not reference.digits else reference.base
    return (_digits(reference), reference.base) == (_digits(answer), base)


def _digits(leaf: Leaf) -> str:
    return leaf.digits or leaf.text.lstrip("0") or "0"


def _folded(text: str) -> str:
    """Words as they are compared: without blanks and stops, and without case unless it is a single letter."""
    letters = re.sub("[ .,]", "", text).strip("()")
    return letters if len(letters) == 1 else letters.lower()
