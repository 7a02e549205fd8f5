"""The GSM8K rule: the number after the last '####', else after 'the answer is', else in a box."""

import re
from dataclasses import dataclass
from fractions import Fraction

from experiments.grading.characters import plain
from experiments.grading.marks import last_box, marked, tails
from experiments.grading.numbers import Written, at_start, find, number_text
from experiments.grading.verdict import Verdict, unanswered

# What may follow the number of a bare reference, as in "9 (apples)".
LONGEST_UNIT = 40
# An answer stands at the beginning of its line.
LONGEST_LINE = 1_000
# An integer must be met to within this, which is for floating-point noise.
TOLERANCE = Fraction(1, 10_000)
# Any other reference may be rounded: to two decimals or finer, and to no less than four digits.
ROUNDING = Fraction(1, 200)

_SPACING = re.compile(r"\\[!,;:]|\{,\}")


@dataclass(frozen=True)
class Reference:
    """The number to be met, as it was written and in plain digits."""

    value: Fraction
    written: str

    @property
    def shown(self) -> str:
        """As it stands in a record."""
        return number_text(self.value)


def reference(text: str) -> Reference | None:
    """The number of a full solution, or of a bare answer with at most a unit behind it; None if neither."""
    found = _answer(text)
    if found is None:
        bare = _unspaced(text.strip())
        found = at_start(bare)
        if found is None or not _is_unit(bare[found.end :]):
            return None
    return None if found.value is None else Reference(found.value, found.text.strip())


def grade(completion: str, expected: Reference, finish_reason: str) -> Verdict:
    """Compare the completion's number with the reference's.

    An integer must be met to within 1e-4; any other reference to within one part in ten thousand and
    half a hundredth.
    """
    found = _answer(completion)
    if found is None or found.value is None:
        if finish_reason != "length" and marked(completion):
            return Verdict(None, "unparsable")
        return unanswered(finish_reason)
    same = _same(found.value, expected.value)
    exact = found.text.strip() == expected.written
    return Verdict(number_text(found.value), "correct" if same else "wrong", exact)


def _answer(text: str) -> Written | None:
    for tail in tails(text):
        if (number := _first_number(tail)) is not None:
            return number
    box = last_box(text)
    return None if box is None else _only_number(box)


def _first_number(tail: str) -> Written | None:
    """Of the first line that is not blank."""
    return find(_unspaced(tail.lstrip().partition("\n")[0][:LONGEST_LINE]))


def _only_number(box: str) -> Written | None:
    """Of a box that holds one; more are an expression."""
    text = _unspaced(box[:LONGEST_LINE])
    number = find(text)
    return number if number is not None and _is_unit(text[number.end :]) else None


def _unspaced(text: str) -> str:
    """Without what LaTeX puts between thousands."""
    text = plain(text)
    return _SPACING.sub("", text) if "\\" in text or "{" in text else text


def _is_unit(text: str) -> bool:
    return len(text) <= LONGEST_UNIT and not re.search(r"\d|\n", text)


def _same(answer: Fraction, expected: Fraction) -> bool:
    if answer == expected:
        return True
    tolerance = TOLERANCE if expected.denominator == 1 else min(TOLERANCE * abs(expected), ROUNDING)
    return abs(answer - expected) <= tolerance
