"""Thousands and decimals as other countries separate them, in the way that numbers are read here."""

import re

# 1 000 000, 1'000'000 and 1.000.000; a single dot is a decimal point.
_THOUSANDS = re.compile(
    r"(?<![\d.,])\d{1,3}+(?:(?:[ '\u2019]\d{3})++(?!\d|\s?[/-]\s?\d)|(?:\.\d{3}){2,}+(?![.,]?\d))", re.ASCII
)
# 1.000,50 and 0,125 and 12,5; where three digits follow, a comma stands between thousands.
_DECIMAL_COMMA = re.compile(
    r"(?<![\d.,])(?:\d{1,3}(?:\.\d{3})++,\d++|0,\d++|\d++,\d{1,2}+)(?![.,]?\d)", re.ASCII
)


def usual(line: str) -> str:
    """The line with decimal points, and without what separates thousands otherwise than a comma."""
    line = _THOUSANDS.sub(lambda number: re.sub(r"\D", "", number[0]), line)
    return _DECIMAL_COMMA.sub(lambda number: number[0].replace(".", "").replace(",", "."), line)
