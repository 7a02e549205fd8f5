"""Which number a line states as its result, where it may show the arithmetic that leads there."""

import re

from experiments.grading.numbers import Written, at, find

_OPERATOR = r"(?:[-+*/^]|\\(?:times|cdot|div)(?![A-Za-z])|(?:x|plus|minus|times|divided\s++by)(?![A-Za-z]))"
_EQUALS = r"(?:=|\u2248|\\approx(?![A-Za-z])|equals(?![A-Za-z]))"
_UNIT = r"\s*+(?:\\?%|\\text\{[^{}]*+\}|(?!(?:x|plus|minus|times|divided|of|equals)(?![A-Za-z]))[A-Za-z]++)"
_LINK = re.compile(
    rf"(?P<unit>(?:{_UNIT})?+)[\s)\]}}$]*+(?:(?P<equals>{_EQUALS})|{_OPERATOR}|(?P<of>of(?![A-Za-z])))[\s(\[{{$]*+"
)
_CLOCK_OR_RATIO = re.compile(r":(?!00)\d")


def result(line: str) -> Written | None:
    """The first number, but of `20 - 5 = 15` the 15; None where only arithmetic is there, or a ratio.

    Between the first number and the result stand nothing but numbers, operators, and a unit behind each.
    """
    first = number = find(line)
    stated: Written | None = None
    alone, equals, units = True, False, False
    while number is not None:
        link = _LINK.match(line, number.end)
        following = at(line, link.end()) if link else None
        ends_side = following is None or link is None or link["equals"] is not None
        if alone and ends_side:
            if "/" not in number.text:
                return None if _CLOCK_OR_RATIO.match(line, number.end) else number
            stated = number
        if link is not None and following is not None:
            equals |= ends_side
            units |= bool(link["unit"] or link["of"])
        alone, number = ends_side, following
    # Without a result, what has words is a sentence: 18 apples - 3 for each, 18 of 20.
    return stated if equals or not units else first
