"""Where in a text its answer stands: behind a mark, or in a box."""

import re
from collections.abc import Iterator

# What a model says last is its answer; nothing that is one lies farther back in what it says.
LAST_CHARACTERS = 200_000

_HASHES = "####"
# Possessive quantifiers throughout: no input makes a pattern go back over what it has read.
_PHRASE = re.compile(r"the\s++(?:(?:final|correct|right)\s++)?+answer\s++is", re.IGNORECASE)
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*+")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


def tails(text: str) -> Iterator[str]:
    """What follows the last '####' and the last 'the answer is', the later of the two first.

    Marks at the very end, with nothing behind them, are those of an answer that was only begun.
    """
    stripped = text.rstrip("# \t\r\n")
    hashes = stripped.rfind(_HASHES)
    if hashes >= 0:
        yield from _behind_phrase(text[hashes:])
        yield stripped[hashes + len(_HASHES) :]
    yield from _behind_phrase(text[:hashes] if hashes >= 0 else text)


def _behind_phrase(text: str) -> Iterator[str]:
    phrases = list(_PHRASE.finditer(text))
    if phrases:
        yield text[phrases[-1].end() :]


def marked(text: str) -> bool:
    """Whether there is any mark or box, with an answer or not."""
    return _HASHES in text or _BOX.search(text) is not None or _PHRASE.search(text) is not None


def last_box(text: str) -> str | None:
    r"""What stands in the last \boxed or \fbox that closes, braces within it included; None without one.

    A box without braces holds what follows, up to a dollar sign or the end of the line.
    """
    text = text[-LAST_CHARACTERS:]
    boxes = list(_BOX.finditer(text))
    closing = _closing_braces(text, boxes[0].end()) if boxes else {}
    for box in reversed(boxes):
        start = box.end()
        if text[start : start + 1] != "{":
            return re.split(r"[$\n]", text[start:], maxsplit=1)[0]
        if start in closing:
            return text[start + 1 : closing[start]]
    return None


def _closing_braces(text: str, start: int) -> dict[int, int]:
    """The place of the brace that closes each one, found in a single pass; escaped braces are letters."""
    open_braces: list[int] = []
    closing: dict[int, int] = {}
    for brace in _BRACE.finditer(text, start):
        if brace[0] == "{":
            open_braces.append(brace.start())
        elif brace[0] == "}" and open_braces:
            closing[open_braces.pop()] = brace.start()
    return closing
