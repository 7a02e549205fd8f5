"""Characters that look alike or cannot be seen, in the one form that the rules read."""

import re
from unicodedata import normalize

# Controls but white space, soft hyphens, zero-width and direction marks, byte-order marks.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
# A thin or unbreakable blank between digits groups them by thousands, as a comma does.
_GROUPING = re.compile("(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
# ½ and the like are taken apart as Unicode does: 1, a fraction slash, 2.
_FRACTIONS = {sign: normalize("NFKC", sign).split("\u2044") for sign in "¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ"
_LEVEL = str.maketrans(_RAISED, "0123456789+-n")
_EXPONENT = re.compile(f"[{_RAISED}]+")
_ALIKE = str.maketrans(
    {
        **dict.fromkeys("\u2212\u2013\ufe63\uff0d", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\u3000", " "),
        **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
        **{sign: f"\\frac{{{above}}}{{{below}}}" for sign, (above, below) in _FRACTIONS.items()},
        **{"\uff0c": ",", "\uff0e": ".", "\uff0f": "/", "\u2044": "/", "\uff05": "%", "\uff04": "$"},
        **{"×": "\\times ", "·": "\\cdot ", "÷": "/", "±": "\\pm ", "√": "\\sqrt ", "∞": "\\infty "},
        **{"π": "\\pi ", "θ": "\\theta ", "∪": "\\cup ", "∈": "\\in ", "°": "^\\circ ", "ℝ": "\\mathbb{R}"},
        **{"≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "…": "..."},
    }
)


def plain(text: str) -> str:
    """The text without what cannot be seen, and with one spelling for what looks or means the same."""
    text = _INVISIBLE.sub("", text)
    if text.isascii():
        return text
    text = _EXPONENT.sub(lambda raised: f"^{{{raised[0].translate(_LEVEL)}}}", text)
    return _GROUPING.sub(",", text).translate(_ALIKE)
