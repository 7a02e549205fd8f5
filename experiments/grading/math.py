"""The MATH rule: what is in the last box, else after '####' or 'the answer is', by its meaning."""

import re
from dataclasses import dataclass

from experiments.grading.equality import same
from experiments.grading.estimate import apart
from experiments.grading.marks import last_box, marked, tails
from experiments.grading.parts import Value
from experiments.grading.values import LONGEST_ANSWER, read
from experiments.grading.verdict import Verdict, unanswered

_BETWEEN_DOLLARS = re.compile(r"(?<!\\)\$+([^$]+)(?<!\\)\$")
# An answer in delimiters right behind the mark, which may take several lines.
_DELIMITED = re.compile(r"[\s:*]*+(?:\$\$?([^$]++)\$|\\\[(.{1,1000}?)\\\]|\\\((.{1,1000}?)\\\))", re.DOTALL)
# What follows the answer in its line: another sentence, or why it is right.
_REST = re.compile(r"[.;]\s+(?=[A-Z])|,?\s(?:because|since)\s")
_ENVIRONMENT = re.compile(r"[$\s(\\\[]*\\(?:left|begin)(?![a-z]).*", re.DOTALL)


@dataclass(frozen=True)
class Reference:
    """The answer to be met, as it was written."""

    written: str
    value: Value

    @property
    def shown(self) -> str:
        """As it stands in a record."""
        return self.written


@dataclass(frozen=True)
class Undecided:
    """A comparison that takes more than exact numbers, words and structure."""

    pair: tuple[str, str]
    exact: bool


def reference(text: str) -> Reference | None:
    """The answer of a full solution, or a bare answer, with or without delimiters; None if neither."""
    written = _answer(text)
    if written is None:
        written = text.strip()
        if "\n" in written and not _ENVIRONMENT.fullmatch(written):
            return None
    value = read(written)
    return None if value is None else Reference(written, value)


def grade(completion: str, expected: Reference, finish_reason: str) -> Verdict | Undecided:
    """Compare what can be compared at once, which is nearly everything; the rest is for a judge."""
    answer = _answer(completion)
    if answer is None:
        if finish_reason != "length" and marked(completion):
            return Verdict(None, "unparsable")
        return unanswered(finish_reason)
    value = read(answer)
    if value is None:
        return Verdict(answer if len(answer) <= LONGEST_ANSWER else None, "unparsable")
    exact = answer == expected.written
    equal = same(expected.value, value, apart)
    if equal is None:
        return Undecided((expected.written, answer), exact)
    return Verdict(answer, "correct" if equal else "wrong", exact)


def _answer(text: str) -> str | None:
    box = last_box(text)
    if box is not None and box.strip():
        return box.strip()
    return next(filter(None, map(_stated, tails(text))), None)


def _stated(tail: str) -> str:
    """The answer that follows a mark."""
    if (delimited := _DELIMITED.match(tail)) is not None:
        return "".join(filter(None, delimited.groups())).strip()
    line = tail.lstrip(": \t\r\n").partition("\n")[0].strip()
    dollars = _BETWEEN_DOLLARS.search(line)
    return dollars[1].strip() if dollars else _REST.split(line, maxsplit=1)[0].strip()
