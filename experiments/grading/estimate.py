"""Tells expressions apart by their values at one point: no proof that any are equal, only that not."""

import cmath
import math
import re
from functools import lru_cache

# Farther apart than arithmetic in double precision could ever bring two ways of writing the same number.
APART = 1e-9

_TOKEN = re.compile(r"\d+(?:\.\d+)?|\.\d+|\\[A-Za-z]+|[A-Za-z]|[-+*/^(){}\[\]]|\s+")
# Names that are written without a backslash, and functions of a variable: not for us.
_NAMES = re.compile(r"(?<!\\)(?<![A-Za-z\\])[A-Za-z]{3,}|(?<![A-Za-z\\])pi|(?<![A-Za-z\\])[fghPQ]\(")
_CONSTANTS = {r"\pi": complex(math.pi), "i": 1j, "e": complex(math.e)}
_FUNCTIONS = {r"\sin": cmath.sin, r"\cos": cmath.cos, r"\tan": cmath.tan}
_TIMES = frozenset(("*", r"\cdot", r"\times"))
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


class _Unknown(Exception):
    """Something that this reader does not know, or might read otherwise than it is meant."""


def apart(reference: str, answer: str) -> bool | None:
    """False where the two expressions differ in value, their letters standing for numbers; else None."""
    first, second = _value(reference), _value(answer)
    if first is None or second is None:
        return None
    return False if abs(first - second) > APART * max(abs(first), abs(second)) else None


@lru_cache(maxsize=100_000)
def _value(text: str) -> complex | None:
    tokens = _TOKEN.findall(text)
    if sum(map(len, tokens)) != len(text) or _NAMES.search(text):
        return None
    reader = _Reader([token for token in tokens if not token.isspace()])
    try:
        value = reader.total()
    except (_Unknown, ArithmeticError, RecursionError):
        return None
    return value if reader.ahead is None and cmath.isfinite(value) else None


class _Reader:
    """Recursive descent over sums of products of powers."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._place = 0

    @property
    def ahead(self) -> str | None:
        """The next token."""
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def total(self) -> complex:
        """A sum, up to what closes it."""
        value = self._product()
        while self.ahead in ("+", "-"):
            value += self._product()  # which reads its sign
        return value

    def _product(self) -> complex:
        value = self._signed()
        divided = False
        while self.ahead is not None and self.ahead not in (")", "]", "}", "+", "-"):
            if self.ahead == "/":
                self._take()
                value /= self._signed()
                divided = True
            elif self.ahead in _TIMES:
                self._take()
                value *= self._signed()
            elif divided:
                raise _Unknown  # 1/2x
            else:
                value *= self._power()
        return value

    def _signed(self) -> complex:
        if self.ahead in ("+", "-"):
            # 0 - z and not -z, whose root lies on the other side of the cut where z is real.
            return 0 - self._signed() if self._take() == "-" else self._signed()
        return self._power()

    def _power(self) -> complex:
        value = self._atom()
        if self.ahead != "^":
            return value
        self._take()
        exponent = self._group() if self.ahead == "{" else self._digit()
        if self.ahead == "^" or abs(exponent) > 1_000:
            raise _Unknown
        return complex(value**exponent)

    def _digit(self) -> complex:
        token = self._take()
        if len(token) > 1 or not token.isalnum():
            raise _Unknown  # x^10 is x^1 0 to TeX, and hardly ever to people
        return complex(int(token)) if token.isdigit() else _letter(token)

    def _atom(self) -> complex:
        if self.ahead in _CLOSERS:
            return self._group()
        symbol = self._take()
        if symbol[0].isdigit() or symbol[0] == ".":
            if self.ahead == r"\frac":
                raise _Unknown  # 2 \frac{1}{2}
            return complex(float(symbol))
        if symbol == r"\frac":
            above = self._group()
            return above / self._group()
        if symbol == r"\sqrt":
            return self._root()
        if symbol in _FUNCTIONS:
            return self._function(symbol)
        return _CONSTANTS[symbol] if symbol in _CONSTANTS else _letter(symbol)

    def _function(self, symbol: str) -> complex:
        if self.ahead != "(":
            raise _Unknown  # sin 2 x
        value = _FUNCTIONS[symbol](self._group())
        if self.ahead == "^":
            raise _Unknown  # sin (x)^2
        return value

    def _root(self) -> complex:
        degree = self._group() if self.ahead == "[" else 2
        value = self._group()
        # The real root where there is one, and the principal one of a negative number.
        if degree != 2 and (value.imag or value.real < 0):
            raise _Unknown
        return complex(value ** (1 / degree))

    def _group(self) -> complex:
        opening = self._take()
        value = self.total() if opening in _CLOSERS else None
        if value is None or self.ahead != _CLOSERS[opening]:
            raise _Unknown
        self._take()
        return value

    def _take(self) -> str:
        token = self.ahead
        if token is None:
            raise _Unknown
        self._place += 1
        return token


def _letter(token: str) -> complex:
    """A number for a variable: no round one, and positive, where roots of squares are what they look like."""
    if not (len(token) == 1 and token.isalpha()):
        raise _Unknown
    return complex(1 + (ord(token) * math.sqrt(3)) % 1)
