"""Single things: numbers with their units, numerals in other bases, words, times, expressions."""

import re

from experiments.grading import numbers
from experiments.grading.parts import Leaf
from experiments.grading.tex import squeezed

TEXT = re.compile(r"\\text\{([^{}]*)\}")

_BASED = re.compile(r"(-?[0-9A-Z]*(?:\.?[0-9A-Z]+))_(?:\{(\d{1,2})\}|(\d))")
_BASES = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_BASE_IN_WORDS = re.compile(
    r"(-?[0-9A-Z,.]+) ?(?:_ ?\{?(?:\\text\{)? ?(?:base ?)?|(?:\\text\{)? ?\(?(?:in )?base[ -]?)\}? ?"
    rf"({'|'.join(_BASES)}|\d\d?) ?\)?\}}*"
)
# Twelve o'clock is no twelve: the unit is part of what such a text says.
_TIME = re.compile(r"[ap]\.? ?m\b", re.IGNORECASE)
_TEXT_UNIT = r"\\text\{[^{}]*\}(?: ?\^\{?\d\}?)?"
_UNIT = re.compile(
    rf"(?: ?(?:{_TEXT_UNIT}|\\frac\{{{_TEXT_UNIT}\}}\{{{_TEXT_UNIT}\}}|\^ ?\\circ(?: ?[CF](?![A-Za-z]))?"
    r"|\^ ?\{?(?:\\text\{)?(?:st|nd|rd|th)\}*))+$"
)
_DEGREES = re.compile(r"(\d+(?:\.\d+)?) ?\^ ?\\circ")
_TRIGONOMETRIC = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
_BARE_UNIT = re.compile(
    r"(?<=[0-9}])(?: ?(?:square|cubic|sq\.?))?"
    r"(?: [A-Za-z]{3,}| ?(?:cm|mm|km|kg|ft|in|yd|mi|mph|oz|lbs?|ml|st|nd|rd|th))(?: ?\^\d)?$"
)
_PERCENT = re.compile(r" ?(?:%|\\text\{ ?percent ?\}|percent)$")
# Of three points the order says which is in the middle; two are a segment.
_WORD = re.compile(r"[A-Za-z]{4,}(?: [A-Za-z]+)*|\d+:\d+.*|(?:\\(?:angle|triangle) ?)?[A-Z]{3,}|\\ldots")
# Words among figures that say no less: \text{June }20, 2\text{ hours }30\text{ minutes}.
_AMONG_FIGURES = re.compile(r"[\d :/,.-]*")
_SENTENCE = re.compile(r"\\text\{[^{}]*[A-Za-z]{3}|.*\}.*\d")


def leaf(text: str) -> Leaf:
    """What a text means that is one thing."""
    text = _without_words_for_signs(text)
    if _TIME.search(text) or _is_sentence(text):
        return Leaf(squeezed(TEXT.sub(r"\1", text)), word=True)
    text = text.removeprefix("+").strip()
    bare = without_unit(_PERCENT.sub("", text))
    if (based := _BASED.fullmatch(squeezed(bare))) is not None:
        return Leaf(squeezed(bare), digits=based[1].lstrip("0") or "0", base=int(based[2] or based[3]))
    number = numbers.whole(bare)
    if number is None:
        number = numbers.whole(squeezed(bare))
    word = number is None and _WORD.fullmatch(bare) is not None
    return Leaf(squeezed(bare), number, _PERCENT.search(text) is not None, word)


def _is_sentence(text: str) -> bool:
    if r"\text" not in text or _SENTENCE.match(text) is None:
        return False
    return _AMONG_FIGURES.fullmatch(TEXT.sub("", text)) is not None


def _without_words_for_signs(text: str) -> str:
    """Degrees within a function as what they are, a base that is spelt out as an index."""
    if _TRIGONOMETRIC.search(text):
        text = _DEGREES.sub(r"(\\frac{\1\\pi}{180})", text)
    if (found := _BASE_IN_WORDS.fullmatch(text)) is None:
        return text
    base = _BASES.index(found[2]) + 2 if found[2] in _BASES else int(found[2])
    return f"{found[1].replace(',', '')}_{{{base}}}"


def without_unit(text: str) -> str:
    """The text without the units that it ends in; what is nothing but a unit remains."""
    for unit in (_UNIT, _BARE_UNIT):
        shorter = unit.sub("", text)
        text = shorter if shorter.strip() else text
    return text.strip()
