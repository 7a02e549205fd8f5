"""Characters that look alike or cannot be seen, in the one form that the rules read."""

import re

# Controls but white space, soft hyphens, zero-width and direction marks, byte-order marks.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
# A thin or unbreakable blank between digits groups them by thousands, as a comma does.
_GROUPING = re.compile("(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
_HALVES = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅛": (1, 8)}
_ALIKE = str.maketrans(
    {
        **dict.fromkeys("\u2212\u2013\ufe63\uff0d", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\u3000", " "),
        **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
        **{sign: f"\\frac{{{above}}}{{{below}}}" for sign, (above, below) in _HALVES.items()},
        **{"\uff0c": ",", "\uff0e": ".", "\uff0f": "/", "\u2044": "/", "\uff05": "%", "\uff04": "$"},
        **{"×": "\\times ", "·": "\\cdot ", "÷": "/", "±": "\\pm ", "√": "\\sqrt ", "∞": "\\infty "},
        **{"π": "\\pi ", "θ": "\\theta ", "∪": "\\cup ", "∈": "\\in ", "°": "^\\circ ", "ℝ": "\\mathbb{R}"},
        **{"≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "²": "^2", "³": "^3"},
    }
)


def plain(text: str) -> str:
    """The text without what cannot be seen, and with one spelling for what looks or means the same."""
    text = _INVISIBLE.sub("", text)
    return text if text.isascii() else _GROUPING.sub(",", text).translate(_ALIKE)
