"""Text for LaTeX: whatever was typed is set as it is and does nothing."""

# Signs that our own numbers and tables use, and those that mean something to TeX.
SPECIAL = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    # `\\\\[` and `\\\\*` at the end of a row, and ligatures of hyphens and backticks, would mean something.
    "[": "{[}",
    "*": "{*}",
    "-": "-{}",
    "`": r"\textasciigrave{}",
    "\N{MINUS SIGN}": r"\ensuremath{-}",
    "\N{MULTIPLICATION SIGN}": r"\ensuremath{\times}",
    "\N{RIGHTWARDS ARROW}": r"\ensuremath{\to}",
    "\N{SUPERSCRIPT TWO}": r"\textsuperscript{2}",
    "\N{PLUS-MINUS SIGN}": r"\ensuremath{\pm}",
    "\N{EN DASH}": "--",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{ZERO WIDTH SPACE}": "",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
}
_TABLE = str.maketrans({**SPECIAL, **{chr(code): None for code in range(32) if chr(code) not in "\t\n"}})


def escaped(text: str) -> str:
    """The text with everything that TeX would act on escaped; control characters are dropped."""
    return text.translate(_TABLE)
