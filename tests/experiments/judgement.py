"""The whole judgement of two answers to MATH, in this process."""

from experiments.grading.equality import same
from experiments.grading.judge import equal
from experiments.grading.values import read


def is_same(reference: str, answer: str) -> bool | None:
    """Whether the answer is what the reference asks for; None where nobody can tell."""
    expected, given = read(reference), read(answer)
    assert expected is not None
    assert given is not None
    return same(expected, given, equal)
