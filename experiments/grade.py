"""Grade completions by the GSM8K rule: the number after the last '####', else after 'the answer is'."""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

Reason = Literal["correct", "wrong", "no answer", "truncated"]

# What is longer than this is no answer to a word problem, and slow to compute with.
LONGEST_NUMBER = 100
# What may follow the number of a bare reference, as in "9 (apples)".
LONGEST_UNIT = 40
# Rounding is forgiven in proportion where the reference itself is a fraction, never where it is an integer.
TOLERANCE = Fraction(1, 10_000)

_HASHES = "####"
# Possessive quantifiers throughout: no input makes a pattern go back over what it has read.
_PHRASE = re.compile(r"the\s++answer\s++is", re.IGNORECASE)
_DIGITS = r"(?:\d[\d,]*+(?:\.\d++)?+|\.\d++)(?:[eE][+-]?\d{1,2}(?!\d))?+"
_MONEY = r"(?:\\?[$€£]\s?+)?+"
_SIGN = r"(?P<sign>(?:(?<!\w)[-\u2212\u2013]|\+)?+)\s?+"
_LATEX = r"\\[dt]?frac\{(?P<above>\d++)\}\{(?P<below>\d++)\}"
_PLAIN = rf"(?P<number>{_DIGITS})(?:\s?+/\s?+(?P<divisor>{_DIGITS}))?+"
_NUMBER = re.compile(rf"{_MONEY}{_SIGN}{_MONEY}(?:{_LATEX}|{_PLAIN})", re.ASCII)


@dataclass(frozen=True)
class Grade:
    """What was answered, as plain digits (None: nothing that is a number), and what it is worth."""

    answer: str | None
    reason: Reason

    @property
    def correct(self) -> bool:
        """Whether the answer is the reference's."""
        return self.reason == "correct"


def grade(completion: str, reference: Fraction, finish_reason: str = "stop") -> Grade:
    """Compare the completion's answer with the reference's number.

    An integer must be met to within 1e-4, any other reference to within one part in ten thousand. Where
    no number is found the reason tells an answer that was cut off (`length`) from one never given.
    """
    answer = answer_number(completion)
    if answer is None:
        return Grade(None, "truncated" if finish_reason == "length" else "no answer")
    return Grade(number_text(answer), "correct" if _same(answer, reference) else "wrong")


def answer_number(text: str) -> Fraction | None:
    """The number right of the last '####', else right of the last 'the answer is', on the same line."""
    _, marker, tail = text.rpartition(_HASHES)
    if marker and (number := _first_number(tail)) is not None:
        return number
    ends = [phrase.end() for phrase in _PHRASE.finditer(text)]
    return _first_number(text[ends[-1] :]) if ends else None


def reference_number(reference: str) -> Fraction | None:
    """The number of a full solution, or of a bare answer with at most a unit behind it; None if neither."""
    if (number := answer_number(reference)) is not None:
        return number
    bare = reference.strip()
    match = _NUMBER.match(bare)
    if match is None:
        return None
    unit = bare[match.end() :]
    if len(unit) > LONGEST_UNIT or re.search(r"\d|\n", unit):
        return None
    return _value(match)


def number_text(value: Fraction) -> str:
    """Plain digits: '1080', '-0.5', and '1/3' where decimals do not end."""
    if value.denominator == 1:
        return str(value.numerator)
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest > 1:
        return f"{value.numerator}/{value.denominator}"
    # A denominator of 2^a 5^b ends after max(a, b) decimals, which its bits bound.
    scale = value.denominator.bit_length()
    digits = f"{abs(value.numerator) * 10**scale // value.denominator:0{scale + 1}d}"
    return f"{'-' if value < 0 else ''}{digits[:-scale]}.{digits[-scale:].rstrip('0')}"


def _same(answer: Fraction, reference: Fraction) -> bool:
    scale = 1 if reference.denominator == 1 else max(Fraction(1), abs(reference))
    return abs(answer - reference) <= TOLERANCE * scale


def _first_number(tail: str) -> Fraction | None:
    match = _NUMBER.search(tail.lstrip().partition("\n")[0])
    return None if match is None else _value(match)


def _value(match: re.Match[str]) -> Fraction | None:
    if len(match[0]) > LONGEST_NUMBER:
        return None
    above = _plain(match["above"] or match["number"])
    below = _plain(match["below"] or match["divisor"] or "1")
    if below == 0:
        return None
    return -above / below if match["sign"] not in ("", "+") else above / below


def _plain(digits: str) -> Fraction:
    return Fraction(Decimal(digits.replace(",", "")))
