"""What several samples of one item say together: pass@k, majority vote, consistency."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import fmean

from experiments.grading.parts import Leaf, Value
from experiments.grading.values import read
from experiments.grading.verdict import Verdict

Samples = Sequence[Verdict]  # of one item


@dataclass(frozen=True)
class Together:
    """Shares of items, by the number k of samples; consistency needs two samples at least."""

    pass_at: dict[int, float]
    maj_at: dict[int, float]
    consistency: float | None


def together(items: Sequence[Samples]) -> Together:
    """Over items with equally many samples, n: pass@k for k = 1, 2, 4, ... and n, and maj@n.

    Consistency is the mean share of an item's samples that give its most frequent answer.
    """
    [n] = set(map(len, items))
    votes = [_votes(samples) for samples in items]
    powers = [1 << exponent for exponent in range(n.bit_length())]
    return Together(
        pass_at={k: fmean(pass_at(k, samples) for samples in items) for k in dict.fromkeys((*powers, n))},
        maj_at={n: fmean(map(_majority, votes))},
        consistency=fmean(max(vote.values(), default=0) / n for vote in votes) if n > 1 else None,
    )


def pass_at(k: int, samples: Samples) -> float:
    """How likely a correct one is among k samples, unbiased (Chen et al. 2021, arXiv 2107.03374, eq. 1)."""
    n = len(samples)
    n_correct = sum(sample.correct for sample in samples)
    return 1.0 - comb(n - n_correct, k) / comb(n, k)


_CORRECT = object()


def _votes(samples: Samples) -> Counter[object]:
    """How many gave each answer: all that are correct gave the same one, and those without one abstain."""
    return Counter(
        _CORRECT if sample.correct else _ballot(sample.answer)
        for sample in samples
        if sample.answer is not None
    )


def _ballot(answer: str) -> object:
    """Wrong answers are the same where they are written the same, spelling of LaTeX aside."""
    value = read(answer)
    return answer if value is None else _canonical(value)


def _canonical(value: Value) -> object:
    if isinstance(value, Leaf):
        return value.text.lower() if value.number is None else value.number
    parts = tuple(map(_canonical, value.parts))
    return value.kind, frozenset(Counter(parts).items()) if value.kind == "set" else parts


def _majority(votes: Counter[object]) -> float:
    """How likely the most frequent answer is correct; between equally frequent ones the lot decides."""
    most = max(votes.values(), default=0)
    leading = [answer for answer, count in votes.items() if count == most]
    return 1.0 / len(leading) if _CORRECT in leading else 0.0
