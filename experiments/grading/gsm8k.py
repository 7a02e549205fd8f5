"""The GSM8K rule: the number after the last '####' or 'the answer is', else in a box."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from experiments.grading.characters import plain
from experiments.grading.marks import last_box, marked, tails
from experiments.grading.numbers import Written, at, number_text
from experiments.grading.separators import usual
from experiments.grading.verdict import Reason, Verdict, unanswered
from experiments.grading.working import result

# What may follow the number of a bare reference, as in "9 (apples)".
LONGEST_UNIT = 40
# An answer stands at the beginning of its line.
LONGEST_LINE = 1_000
# An integer must be met to within this, which is for floating-point noise.
TOLERANCE = Fraction(1, 10_000)
# Any other reference may be rounded: to two decimals or finer, and to no less than four digits,
ROUNDING = Fraction(1, 200)
# or to three digits where that is done rightly; and the reference itself may be a number rounded to two.
ROUNDED_DECIMALS, DIGITS_OF_ANSWER, DIGITS_OF_REFERENCE = 2, 3, 2

# What GSM8K's own solutions note for a calculator, as in 20-5=<<20-5=15>>15.
_NOTE = re.compile(r"<<[^<>]*+>>")
_SPACING = re.compile(r"\\[!,;:]|\{,\}")
# What may stand before an answer: quotation marks, the beginning of Markdown or mathematics, a name.
_DECORATION = re.compile(r"(?:[\s:*_`\"'>]|(?<=\n)[-\u2022] |\$(?! ?[\d.-])|\\[\[(])*+")
_NAME = re.compile(r"(?:(?:[A-Za-z]++\s?+)?+=\s?+)?+")
_POWER_OF_UNIT = re.compile(r"\^\{?[23]\}?")
_FACTOR = re.compile(
    r"\s?+\\?(%|(?:percent|dozen|hundred|thousand|million|billion|trillion|[kK])(?![A-Za-z]))"
)
_FACTORS = {
    **{"%": Fraction(1, 100), "percent": Fraction(1, 100), "dozen": Fraction(12), "hundred": Fraction(100)},
    **dict.fromkeys(("k", "K", "thousand"), Fraction(10**3)),
    **{"million": Fraction(10**6), "billion": Fraction(10**9), "trillion": Fraction(10**12)},
}


@dataclass(frozen=True)
class Reference:
    """The number to be met, as it was written, and what it may be read as: `50 %` is also a half.

    `rounding` is how far off it is where it was rounded itself.
    """

    value: Fraction
    written: str
    also: Fraction | None = None
    rounding: Fraction = Fraction(0)

    @property
    def shown(self) -> str:
        """As it stands in a record."""
        return number_text(self.value)


def reference(text: str) -> Reference | None:
    """The number of a full solution, or of a bare answer with at most a unit behind it; None if neither."""
    line, found = _answer(text)
    if found is None:
        line = _readable(_DECORATION.sub("", text.strip(), count=1)[:LONGEST_LINE])
        line = _NAME.sub("", line, count=1)
        found = at(line, 0)
        if found is None or not _is_unit(line[found.end :]):
            return None
    if found.value is None:
        return None
    factor, written = _factor(line, found), found.text.strip()
    if factor > 1:
        return Reference(found.value * factor, written)
    also = found.value * factor if factor < 1 else None
    return Reference(found.value, written, also, _rounding(found, DIGITS_OF_REFERENCE))


def grade(completion: str, expected: Reference, finish_reason: str) -> Verdict:
    """Compare the completion's number with the reference's.

    An integer must be met to within 1e-4; any other reference to within one part in ten thousand and
    half a hundredth, or as well as it or the answer was rounded.
    """
    line, found = _answer(completion)
    if found is None or found.value is None:
        if finish_reason != "length" and marked(completion):
            return Verdict(None, "unparsable")
        return unanswered(finish_reason)
    exact = found.text.strip() == expected.written
    verdict: Reason = "correct" if _is_met(expected, found, _factor(line, found)) else "wrong"
    return Verdict(number_text(found.value), verdict, exact)


def _answer(text: str) -> tuple[str, Written | None]:
    """The line that states the answer, and its number."""
    for tail in tails(text):
        line, number = _stated(_DECORATION.sub("", tail, count=1).partition("\n")[0][:LONGEST_LINE])
        if number is not None:
            return line, number
    box = last_box(text)
    if box is not None:
        line, number = _stated(box[:LONGEST_LINE])
        # One number and its unit; more are an expression.
        if number is not None and _is_unit(line[number.end :]):
            return line, number
    return "", None


@lru_cache(maxsize=10_000)
def _stated(line: str) -> tuple[str, Written | None]:
    """The line as it is read, and its result; the same few are met again and again."""
    line = _readable(line)
    return line, result(line)


def _readable(line: str) -> str:
    """In plain characters, without notes, with thousands and decimals as they are read here."""
    line = _NOTE.sub("", plain(line))
    return usual(_SPACING.sub("", line) if "\\" in line or "{" in line else line)


def _is_unit(text: str) -> bool:
    return len(text) <= LONGEST_UNIT and not re.search(r"\d|\n", _POWER_OF_UNIT.sub("", text))


def _factor(line: str, number: Written) -> Fraction:
    """What the word or sign behind the number multiplies it with."""
    word = _FACTOR.match(line, number.end)
    return _FACTORS[word[1]] if word else Fraction(1)


def _is_met(expected: Reference, found: Written, factor: Fraction) -> bool:
    """An answer may say what the reference leaves out: of 2 million the 2 may be asked for."""
    assert found.value is not None
    if found.value == expected.value:
        return True
    rounding = _rounding(found, DIGITS_OF_ANSWER)
    if _is_close(found.value, expected.value, max(rounding, expected.rounding)):
        return True
    if expected.also is not None:
        return factor == 1 and _is_close(found.value, expected.also, rounding)
    return factor != 1 and _is_close(found.value * factor, expected.value, rounding * factor)


def _is_close(answer: Fraction, expected: Fraction, rounding: Fraction) -> bool:
    if answer == expected:
        return True
    tolerance = TOLERANCE
    if expected.denominator > 1:
        tolerance = max(min(TOLERANCE * abs(expected), ROUNDING), rounding)
    return abs(answer - expected) <= tolerance


def _rounding(number: Written, n_significant: int) -> Fraction:
    """How far off a decimal may be that was rounded; nothing where it has too few digits to say so."""
    if (number.n_decimals or 0) < ROUNDED_DECIMALS or (number.n_significant or 0) < n_significant:
        return Fraction(0)
    return Fraction(1, 2 * 10 ** (number.n_decimals or 0))
