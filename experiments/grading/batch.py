"""Grades many completions by a rule, in their order, and says how far it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from experiments.grading import gsm8k, math
from experiments.grading.processes import Pair, available, judged
from experiments.grading.verdict import Verdict
from orchestrator.specs import AnswerRule

Reference = gsm8k.Reference | math.Reference
Progress = Callable[[int], None]  # is told how many are graded

# Completions between two notes of progress.
STRIDE = 500
# What it takes to begin another process is about what so many comparisons take.
PAIRS_PER_PROCESS = 30
LONGEST_QUOTE = 60


@dataclass(frozen=True)
class Answered:
    """A completion, what it is compared with, and how it ended (`length`: it was cut off)."""

    completion: str
    reference: Reference
    finish_reason: str


@lru_cache(maxsize=10_000)
def reference_of(rule: AnswerRule, text: str) -> Reference | None:
    """What a full solution or a bare answer asks for under the rule; None where that cannot be read."""
    return gsm8k.reference(text) if rule == "gsm8k" else math.reference(text)


def complaint(rule: AnswerRule, place: str, text: str) -> str:
    """A refusal of a reference that cannot be read: where it is, what it is, how it should look."""
    found = repr(text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}...")
    if rule == "gsm8k":
        return (
            f"{place} has no numeric reference: {found}; "
            "a solution ends in '#### <number>', a bare answer is a number"
        )
    return (
        f"{place} has no answer that can be read in its reference: {found}; "
        "a solution holds \\boxed{...}, a bare answer is one short line"
    )


def grade_all(
    answers: Sequence[Answered],
    progress: Progress = lambda n_graded: None,
    processes: int | None = None,
) -> list[Verdict]:
    """The verdict on each, the same whatever the number of processes (default: as many as may work here).

    Processes are started only where sympy has to compare expressions, each pair of them once.
    """
    given: list[Verdict | math.Undecided] = []
    open_pairs: dict[Pair, list[int]] = {}
    for index, answer in enumerate(answers):
        given.append(verdict := _at_once(answer))
        if isinstance(verdict, math.Undecided):
            open_pairs.setdefault(verdict.pair, []).append(index)
        if index % STRIDE == STRIDE - 1:
            progress(index + 1 - sum(map(len, open_pairs.values())))
    n_left = sum(map(len, open_pairs.values()))
    progress(len(answers) - n_left)
    pairs = list(open_pairs)
    per_pair = n_left / max(len(pairs), 1)
    n_judged = 0

    def on_judged() -> None:
        nonlocal n_judged
        n_judged += 1
        progress(len(answers) - round(per_pair * (len(pairs) - n_judged)))

    processes = processes or min(available(), 1 + len(pairs) // PAIRS_PER_PROCESS)
    reasons = dict(zip(pairs, judged(pairs, processes, on_judged), strict=True))
    return [
        Verdict(one.pair[1], reasons[one.pair], one.exact) if isinstance(one, math.Undecided) else one
        for one in given
    ]


def _at_once(answer: Answered) -> Verdict | math.Undecided:
    if isinstance(answer.reference, gsm8k.Reference):
        return gsm8k.grade(answer.completion, answer.reference, answer.finish_reason)
    return math.grade(answer.completion, answer.reference, answer.finish_reason)
