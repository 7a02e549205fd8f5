"""Whether two expressions are equal, by math-verify and sympy: slow, and without any limit of its own."""

import logging
from functools import lru_cache
from typing import Any

from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify
from sympy import Basic, I, MatrixBase

# They speak of time-outs at every call that has none; the limit here is the life of the process.
logging.getLogger("math_verify").setLevel(logging.ERROR)

_BOXED = [
    LatexExtractionConfig(
        try_extract_without_anchor=False,
        boxed_match_priority=0,
        normalization_config=NormalizationConfig(basic_latex=True, malformed_operators=True, nits=True),
    )
]
# So many decimals must agree where one of the two is a decimal: a rounded root is not the root.
DECIMALS = 12


def equal(reference: str, answer: str) -> bool | None:
    """Whether the answer equals the reference, both LaTeX without delimiters; None where it makes no sense.

    A lone `i` is the imaginary unit. A reference that makes no sense is equal to nothing but its own text.
    """
    read, expected = _read(answer), _read(reference)
    if read is None:
        return None
    if expected is None:
        return False
    equivalent: bool = verify(expected, read, float_rounding=DECIMALS, timeout_seconds=None)
    return equivalent


@lru_cache(maxsize=10_000)
def _read(text: str) -> Any | None:
    """An object of sympy. Bare LaTeX is only recognised where something says that it is LaTeX: a box does."""
    found = parse(
        rf"\boxed{{{text}}}",
        extraction_config=_BOXED,
        extraction_mode="first_match",
        fallback_mode="no_fallback",
        parsing_timeout=None,
    )
    if not found or not isinstance(found[0], Basic | MatrixBase):
        return None
    # The parser gives symbols assumptions of its own, so their names must do.
    imaginary = {symbol: I for symbol in found[0].free_symbols if symbol.name == "i"}
    return found[0].subs(imaginary) if imaginary else found[0]
