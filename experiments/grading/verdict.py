"""What grading says of one completion."""

from dataclasses import dataclass
from typing import Literal, get_args

Reason = Literal["correct", "wrong", "no answer", "truncated", "unparsable", "grader timed out"]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True)
class Verdict:
    """What was answered and what it is worth.

    `answer` is None where none was found or none that can be shown. `exact` says whether it is the reference
    to the letter, as both were written: the baseline that shows what the grader's own judgement adds.
    """

    answer: str | None
    reason: Reason
    exact: bool = False

    @property
    def correct(self) -> bool:
        """Whether the answer is the reference's."""
        return self.reason == "correct"


def unanswered(finish_reason: str) -> Verdict:
    """Of a completion without an answer: cut off (`length`), or none was ever given."""
    return Verdict(None, "truncated" if finish_reason == "length" else "no answer")
