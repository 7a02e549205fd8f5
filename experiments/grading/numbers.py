"""Numbers as people and models write them, read exactly."""

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

# What is longer than this is no answer to a problem, and slow to compute with.
LONGEST_NUMBER = 100
LARGEST_EXPONENT = 99

# Possessive quantifiers throughout: no input makes a pattern go back over what it has read.
_PLAIN = r"(?:\d[\d,]*+(?:\.\d++)?+|(?<![A-Za-z])\.\d++)(?:[eE][+-]?\d++)?+"
_MONEY = r"(?:\\?[$€£¥₹]\s?+)?+"
# With a blank on either side a stroke behind a word is a dash: profit - 18.
_SIGN = (
    r"(?P<sign>(?:(?<!\w)[-\u2212\u2013](?:(?!\s)|(?<!\w\s[-\u2212\u2013]))|\+"
    r"|(?<!\w)(?i:minus|negative)(?=\s))?+)\s?+"
)
_REPEATING = r"(?P<before>\d*+\.\d*+)\\overline\s?+\{(?P<period>\d++)\}"
_TEX_FRACTION = (
    r"\\[dtc]?frac\s?+(?:\{(?P<above>-?\s?+\d[\d,]*+)\}|(?P<digit_above>\d))"
    r"\s?+(?:\{(?P<below>\d[\d,]*+)\}|(?P<digit_below>\d))"
)
_MIXED = r"(?P<whole>\d++)\s++(?:and\s++)?+(?P<part>\d++)\s?+/\s?+(?P<parts>\d++)"
_QUOTIENT = rf"(?P<number>{_PLAIN})(?:\s?+/\s?+(?P<divisor>{_PLAIN}))?+"
_POWER = (
    r"(?:\s*+(?:\\times|\\cdot|\u00d7|\*|x)\s*+10\s*+(?:\^|\*\*)\s*+\{?+(?P<power>[-+\u2212]?\d++)\}?+)?+"
)
_NUMBER = re.compile(
    rf"{_MONEY}{_SIGN}{_MONEY}"
    rf"(?:{_REPEATING}|{_MIXED}|(?:(?P<units>\d++)\s?+)?{_TEX_FRACTION}|{_QUOTIENT}){_POWER}",
    re.ASCII,
)
_DECIMAL = re.compile(r"[^\d.]*+(\d[\d,]*+)?+(?:\.(\d++))?+\s*+", re.ASCII)


@dataclass(frozen=True)
class Written:
    """A number in a text: its value (None where it has none that can be computed with), and its place."""

    text: str
    value: Fraction | None
    end: int

    @property
    def n_decimals(self) -> int | None:
        """How many it was written with; None for what is no plain decimal."""
        return len(self._decimal[2] or "") if self._decimal else None

    @property
    def n_significant(self) -> int | None:
        """How many of its digits count; None for what is no plain decimal."""
        if not self._decimal:
            return None
        return len(f"{self._decimal[1]}{self._decimal[2] or ''}".replace(",", "").lstrip("0"))

    @property
    def _decimal(self) -> re.Match[str] | None:
        return _DECIMAL.fullmatch(self.text)


def find(text: str) -> Written | None:
    """The first number of the text."""
    return _written(_NUMBER.search(text))


def at(text: str, place: int) -> Written | None:
    """The number that begins at the place."""
    return _written(_NUMBER.match(text, place))


def whole(text: str) -> Fraction | None:
    """The value of a text that is one number and nothing else, its thousands grouped rightly if at all."""
    match = _NUMBER.fullmatch(text) if len(text) <= LONGEST_NUMBER else None
    if match is None or (
        "," in text and not re.search(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])", match["number"] or "")
    ):
        return None
    return _value(text)


def number_text(value: Fraction) -> str:
    """Plain digits: '1080', '-0.5', and '1/3' where decimals do not end."""
    return str(value.numerator) if value.denominator == 1 else _broken_text(value)


@lru_cache(maxsize=100_000)
def _broken_text(value: Fraction) -> str:
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


def _written(match: re.Match[str] | None) -> Written | None:
    if match is None:
        return None
    value = _value(match[0]) if len(match[0]) <= LONGEST_NUMBER else None
    return Written(match[0], value, match.end())


@lru_cache(maxsize=100_000)
def _value(text: str) -> Fraction | None:
    """Of a text that is a number; the same few are met again and again."""
    match = _NUMBER.fullmatch(text)
    assert match is not None
    size = _size(match)
    power = int((match["power"] or "0").replace("\u2212", "-"))
    if size is None or abs(power) > LARGEST_EXPONENT:
        return None
    signed = -size if match["sign"] not in ("", "+") else size
    return signed * Fraction(10) ** power if power else signed


def _size(match: re.Match[str]) -> Fraction | None:
    """Without the sign in front. Of a mixed number the sum; None for a division by zero."""
    if match["period"]:
        return _repeating(match["before"], match["period"])
    if match["number"]:
        return _quotient(match["number"], match["divisor"] or "1")
    above = match["part"] or match["above"] or match["digit_above"]
    quotient = _quotient(above.replace(" ", ""), match["parts"] or match["below"] or match["digit_below"])
    return None if quotient is None else int(match["whole"] or match["units"] or 0) + quotient


def _repeating(before: str, period: str) -> Fraction:
    """A decimal whose last digits, the period, go on for ever."""
    n_decimals = len(before.partition(".")[2])
    tail = Fraction(int(period), (10 ** len(period) - 1) * 10**n_decimals)
    return Fraction(before.rstrip(".") or "0") + tail


def _quotient(above: str, below: str) -> Fraction | None:
    top, bottom = _plain(above), _plain(below)
    return None if top is None or not bottom else top / bottom


def _plain(digits: str) -> Fraction | None:
    _, _, exponent = digits.lower().partition("e")
    if exponent and abs(int(exponent)) > LARGEST_EXPONENT:
        return None
    return Fraction(Decimal(digits.replace(",", "")))
