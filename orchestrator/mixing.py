"""Shares of a mixture: how far they reach in its parts, and whose turn each row is."""

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

T = TypeVar("T")

ROLE = "part "  # of a part among a pool's inputs, before its name


def role_of(part: str) -> str:
    """Under which role a mixture's pool has the pool of a part."""
    return f"{ROLE}{part}"


def parts(inputs: Mapping[str, T]) -> dict[str, T]:
    """The parts' pools by name, out of the inputs of a mixture's pool; else nothing."""
    return {role.removeprefix(ROLE): pool for role, pool in inputs.items() if role.startswith(ROLE)}


def reach(sizes: Mapping[str, int], weights: Mapping[str, int]) -> dict[str, int]:
    """How many rows of each part a mixture can use: up to the turn of a row that its part does not have.

    The k-th row of a part with weight w has its turn at (k - 1/2) / w, parts of one turn by name (Webster's
    method of apportionment): after n rows each of m parts is within 1/2 + (m - 2) / 2 times its share of n
    times its share.
    """
    end = min((Fraction(2 * size + 1, 2 * weights[part]), part) for part, size in sizes.items())
    return {part: min(size, _n_before(end, part, weights[part])) for part, size in sizes.items()}


def _n_before(end: tuple[Fraction, str], part: str, weight: int) -> int:
    """How many rows of a part have their turn before another's."""
    last = (end[0] * weight + Fraction(1, 2)) // 1
    at_the_end = (Fraction(2 * last - 1, 2 * weight), part) >= end
    return last - 1 if at_the_end else last
