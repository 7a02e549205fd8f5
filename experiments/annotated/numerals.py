"""Numbers as they stand in prose: where, worth what, and how another one is written in their place."""

import re
from dataclasses import dataclass
from fractions import Fraction

# Whole numbers are ints, as arithmetic on fractions takes ten times as long.
Number = int | Fraction

DIGITS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?|(?<!\d)\.\d+")

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
_UNITS += " sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_CARDINALS = {word: value for value, word in enumerate(_UNITS.split())}
_CARDINALS |= {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
_HUNDREDS = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
NUMBER_WORDS = frozenset((*_CARDINALS, *_HUNDREDS))
_CARDINAL = "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
CARDINALS = re.compile(rf"\b(?:{_CARDINAL})(?:(?:-|\s+|\s+and\s+)(?:{_CARDINAL}))*\b", re.IGNORECASE)


@dataclass(frozen=True)
class Numeral:
    """A number written in digits, by its place in a text."""

    start: int
    end: int
    text: str
    value: Number


def numerals(text: str) -> list[Numeral]:
    """Every number in digits, from left to right."""
    return [
        Numeral(found.start(), found.end(), found[0], value_of(found[0])) for found in DIGITS.finditer(text)
    ]


def value_of(digits: str) -> Number:
    """What digits are worth; commas group thousands."""
    return simplest(Fraction(digits.replace(",", "")))


def simplest(value: Number) -> Number:
    """The same number, as an int where it is whole."""
    return value.numerator if value.denominator == 1 else value


def words_worth(text: str) -> list[int]:
    """What the number words of a text are worth, and each word of a compound alone."""
    values = []
    for found in CARDINALS.finditer(text):
        words = [word for word in re.split(r"[-\s]+", found[0].lower()) if word != "and"]
        values.append(_compound(words))
        values.extend(_CARDINALS.get(word) or _HUNDREDS.get(word, 0) for word in words)
    return values


def written_like(pattern: str, value: Number) -> str | None:
    """The value with the decimals and the commas of the pattern; None where it has more decimals."""
    decimals = len(pattern.partition(".")[2])
    scaled = value * 10**decimals
    if scaled.denominator != 1 or value < 0:
        return None
    whole, rest = divmod(int(scaled), 10**decimals)
    grouped = f"{whole:,}" if "," in pattern or (whole >= 10_000 and len(pattern) < 5) else str(whole)
    if pattern.startswith(".") and not whole:
        grouped = ""
    return f"{grouped}.{rest:0{decimals}d}" if decimals else grouped


def _compound(words: list[str]) -> int:
    total, part = 0, 0
    for word in words:
        if word == "hundred":
            part = max(part, 1) * 100
        elif word in _HUNDREDS:
            total, part = total + max(part, 1) * _HUNDREDS[word], 0
        else:
            part += _CARDINALS[word]
    return total + part
