"""Grade the completions of a JSONL file, without a study."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, get_args

from rich.console import Console
from rich.table import Table

from experiments.grade import Grade, Reason, grade, reference_number
from experiments.tables import text_of, values_by_line
from orchestrator.refusal import Refused


@dataclass(frozen=True)
class Line:
    """One line of the file, and what is compared."""

    values: dict[str, Any]
    completion: str
    reference: Fraction
    finish_reason: str


def run(file: Path, benchmark: Literal["gsm8k"], form: Literal["text", "json"]) -> int:
    """Print the graded lines or the summary. Raises Refused for a malformed line, before any output."""
    assert benchmark == "gsm8k", "the command line offers no other"
    lines = [_line(values, place) for values, place in values_by_line(file)]
    if not lines:
        raise Refused(
            f"{file} holds no lines; it takes one object per line with `completion` and `reference`"
        )
    grades = [grade(line.completion, line.reference, line.finish_reason) for line in lines]
    if form == "json":
        for line, given in zip(lines, grades, strict=True):
            added = {"answer": given.answer, "correct": given.correct, "reason": given.reason}
            # ASCII, as a line may hold halves of characters that no encoding can write.
            sys.stdout.write(json.dumps({**line.values, **added}) + "\n")
    _print_summary(grades, Console(stderr=form == "json"))
    return 0


def _line(values: dict[str, Any], place: str) -> Line:
    reference = reference_number(text_of(values, "reference", place))
    if reference is None:
        raise Refused(
            f"{place} has no numeric reference; a solution ends in '#### <number>', a bare answer is a number"
        )
    # Engines have many words for an end of their own; `length` is the one for being cut off.
    return Line(
        values, text_of(values, "completion", place), reference, str(values.get("finish_reason", "stop"))
    )


def _print_summary(grades: Sequence[Grade], console: Console) -> None:
    counts = Counter(given.reason for given in grades)
    table = Table("reason", "items", "share")
    for reason in get_args(Reason):
        table.add_row(reason, str(counts[reason]), f"{counts[reason] / len(grades):.1%}")
    console.print(table)
    console.print(f"{counts['correct']} of {len(grades)} correct")
