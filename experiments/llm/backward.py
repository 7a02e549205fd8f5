"""Backward questions: a number of a problem is hidden, its answer is told, and the number is asked for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from experiments.grading.batch import reference_of
from experiments.text import has_letter
from orchestrator.specs import AnswerRule
from orchestrator.strategies import Masked

# A number that stands by itself: no part of a word, a fraction, a time, a range or a longer number.
_NUMBER = re.compile(r"(?<![\w.,:/-])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w:/-]|[.,]\d)")


@dataclass(frozen=True)
class Backward:
    """A problem with a number hidden, and that number."""

    text: str
    number: str


def backward(masked: Masked, rule: AnswerRule, query: str, solution: str) -> Iterator[Backward]:
    """The backward questions of a problem, by where the hidden number stands.

    None where the problem has no number by itself, uses the letter, or has no answer that can be read.
    """
    answer = reference_of(rule, solution)
    if answer is None or has_letter(masked.letter, query):
        return
    for found in list(_NUMBER.finditer(query))[: masked.numbers]:
        hidden = query[: found.start()] + masked.letter + query[found.end() :]
        # In two goes, the problem last: what looks like a field there stays as it is.
        text = masked.question.replace("{answer}", answer.shown).replace("{query}", hidden)
        yield Backward(text, found[0].replace(",", ""))
