"""One spelling for what LaTeX can write in many ways, without changing what it says."""

import re

from experiments.grading.characters import plain

_SAME_LETTERS = "mbox|textrm|textnormal|textbf|textit|textsf|mathrm|mathit|mathsf|operatorname|rm"
_SAME_SYMBOL = "mathbf|boldsymbol|bm|vec|overrightarrow|underline"
_ALL_REALS = r"\\text\s*+\{\s*+all\s++real(?:s|\s++numbers)\s*+\}|\ball\s++real(?:s|\s++numbers)"
# What TeX takes for a whole argument.
_ONE = r"[0-9A-Za-z]|\\(?:pi|theta|alpha|beta|lambda|phi|mu|omega)(?![A-Za-z])"
# Each is applied once, in this order, in time that grows with the text and no faster.
_SPELLINGS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<!\\)\\[()\[\]]|\\?\$|[€£¥₹¢]|\\cent(?![A-Za-z])", ""),  # delimiters and currency
        (r",\s*+\\!\s*+|\{,\}|(?<=\d),(?=\d{3}(?:,\d{3})*+_)", ""),  # between thousands
        (r"(?<!\\)\\[!,;: ]|\\q?quad(?![A-Za-z])|~", " "),
        (r"\\(?:text)?color\s*+\{[a-z]++\}|\\(?:[lL]arge|LARGE|[hH]uge|checkmark)(?![A-Za-z])", ""),
        (r"\\text\s*+\{\s*+infinity\s*+\}|\binfinity\b", r"\\infty "),
        (r"\\p?mod\s*+\{?(\w)\}?", r"\\pmod \1"),
        (r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|textstyle|limits)(?![A-Za-z])", ""),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\(le|ge|ne)q(?:slant)?(?![A-Za-z])", r"\\\1"),
        (r"\\(?:mathrm|mathit|mathsf|operatorname)\s*+\{([ie])\}", r"\1"),
        (rf"\\(?:{_SAME_LETTERS})(?![A-Za-z])\s*+", r"\\text"),
        (r"\\text\s++\{", r"\\text{"),
        (rf"\\(?:{_SAME_SYMBOL})\s*+\{{([^{{}}]*+)\}}", r"\1"),
        (r"\\overline\s*+\{([A-Z]{2,}+)\}", r"\1"),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"<\s*+=", r"\\le "),
        (r">\s*+=", r"\\ge "),
        (r"\\[lc]?dots(?![A-Za-z])|\.{3}", r"\\ldots "),
        (r"\\lbrace(?![A-Za-z])", r"\\{"),
        (r"\\rbrace(?![A-Za-z])", r"\\}"),
        (r"\\langle(?![A-Za-z])", "("),
        (r"\\rangle(?![A-Za-z])", ")"),
        (r"\\(?:varnothing|O)(?![A-Za-z])|\\\{\s*+\\\}", r"\\emptyset"),
        (rf"\\(?:mathbb|Bbb)\s*+\{{?R\}}?|\\R(?![A-Za-z])|{_ALL_REALS}", r"(-\\infty,\\infty)"),
        (rf"\\frac\s*+({_ONE})\s*+({_ONE})", r"\\frac{\1}{\2}"),
        (rf"\\frac\s*+({_ONE})\s*+\{{", r"\\frac{\1}{"),
        (rf"\\frac\s*+(\{{[^{{}}]*+\}})\s*+({_ONE})", r"\\frac\1{\2}"),
        (r"\\sqrt\s*+([0-9A-Za-z])", r"\\sqrt{\1}"),
        # 0.\bar{3}, 0.\dot{3} and 0.(3)
        (r"(?<=[\d.])\\(?:bar|dot)\s*+\{?(\d++)\}?|(?<=\d\.)\((\d++)\)", r"\\overline{\1\2}"),
        (r"([\^_])\s*+\{\s*+([0-9A-Za-z]|\\circ)\s*+\}", r"\1\2"),
        (r"\\degrees?(?![A-Za-z])", r"^\\circ"),
        (r"\\%", "%"),
        # Words that join are commas; of `x = 1 or x = 2` both are answers.
        (r"(?:,\s*+)?\\text\{\s*+,?+\s*+(?:and|or)\s*+\}", ", "),
        (r"(?:,\s++|(?<=\s))(?:and|or)\s", ", "),
    )
]
# 0.1666... and 0.1212...
_UNENDING = re.compile(r"(?<![\d.])(\d*+\.\d*?)(?:(\d)\2{2,}|(\d{2,6})\3+) ?\\ldots")
# What leads up to an answer, in front of it.
_LEADING = re.compile(r"(?:(?:=|\\(?:approx|therefore|Rightarrow|implies)(?![A-Za-z])) ?+)?+")
_COMMAND_THEN_LETTER = re.compile(r"(\\[A-Za-z]+)\s++(?=[A-Za-z])")
_TOKEN = re.compile(r"\\[{}]|\\[A-Za-z]+|.", re.DOTALL)
_OPENING = frozenset(("(", "[", "{", r"\{"))
_CLOSING = frozenset((")", "]", "}", r"\}"))


def clean(text: str) -> str:
    """The text in one spelling: fractions, text, spacing, delimiters, thousands, relations."""
    text = plain(text).strip().strip("`").removeprefix("**").removesuffix("**")
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    if r"\ldots" in text:
        text = _UNENDING.sub(r"\1\\overline{\2\3}", text)
    return _LEADING.sub("", " ".join(text.split()).rstrip(".,;: \\"), count=1)


def squeezed(text: str) -> str:
    """The text without blanks, but for those that end a command."""
    return _COMMAND_THEN_LETTER.sub("\\1\0", text).replace(" ", "").replace("\0", " ")


def depth(text: str) -> int:
    """How deep brackets of any kind are nested."""
    deepest = open_brackets = 0
    for token in _TOKEN.findall(text):
        open_brackets += (token in _OPENING) - (token in _CLOSING)
        deepest = max(deepest, open_brackets)
    return deepest


def split(text: str, separators: frozenset[str]) -> list[str]:
    """The parts between separators that stand outside all brackets."""
    parts: list[list[str]] = [[]]
    level = 0
    for token in _TOKEN.findall(text):
        level += (token in _OPENING) - (token in _CLOSING)
        if level == 0 and token in separators:
            parts.append([])
        else:
            parts[-1].append(token)
    return ["".join(part).strip() for part in parts]


def brackets(text: str) -> tuple[str, str, str] | None:
    """Opening bracket, what is inside and closing bracket, where one pair encloses the whole text.

    The two may differ, as in half-open intervals.
    """
    tokens = _TOKEN.findall(text)
    if len(tokens) < 3 or tokens[0] not in _OPENING - {"{"} or tokens[-1] not in _CLOSING - {"}"}:
        return None
    level = 0
    for place, token in enumerate(tokens):
        level += (token in _OPENING) - (token in _CLOSING)
        if level == 0 and place < len(tokens) - 1:
            return None
    return (tokens[0], "".join(tokens[1:-1]).strip(), tokens[-1]) if level == 0 else None
