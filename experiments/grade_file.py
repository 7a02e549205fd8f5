"""Grade the completions of a JSONL file, without a study."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from experiments.grading.batch import Answered, complaint, grade_all, reference_of
from experiments.grading.samples import together
from experiments.grading.verdict import REASONS, Verdict
from experiments.tables import text_of, values_by_line
from orchestrator.refusal import Refused, offer
from orchestrator.specs import AnswerRule

# One YAML for each benchmark; its name stands for the rule that it names.
BENCHMARKS = Path(__file__).resolve().parent.parent / "conf" / "evaluate"


@dataclass(frozen=True)
class Line:
    """One line of the file, and what is compared."""

    values: dict[str, Any]
    answered: Answered


def run(file: Path, benchmark: str, item: str | None, form: Literal["text", "json"]) -> int:
    """Print the graded lines or the summary. Raises Refused for a malformed line, before any output.

    Lines with the same value of the column `item` are samples of one item.
    """
    rule = _rule(benchmark)
    lines = [_line(values, rule, place) for values, place in values_by_line(file)]
    if not lines:
        raise Refused(
            f"{file} holds no lines; it takes one object per line with `completion` and `reference`"
        )
    groups = _groups(lines, item, file)
    verdicts = _graded([line.answered for line in lines])
    if form == "json":
        for line, verdict in zip(lines, verdicts, strict=True):
            added = {"answer": verdict.answer, "correct": verdict.correct, "reason": verdict.reason}
            # ASCII, as a line may hold halves of characters that no encoding can write.
            sys.stdout.write(json.dumps({**line.values, **added}) + "\n")
    _print_summary(verdicts, groups, Console(stderr=form == "json"))
    return 0


def _rule(benchmark: str) -> AnswerRule:
    known = [path.stem for path in BENCHMARKS.glob("*.yaml")]
    if benchmark not in known:
        raise Refused(f"unknown benchmark '{benchmark}': {offer(benchmark, known)}")
    rule: AnswerRule = yaml.safe_load((BENCHMARKS / f"{benchmark}.yaml").read_text(encoding="utf-8"))[
        "answer"
    ]
    return rule


def _line(values: dict[str, Any], rule: AnswerRule, place: str) -> Line:
    text = text_of(values, "reference", place)
    reference = reference_of(rule, text)
    if reference is None:
        raise Refused(complaint(rule, place, text))
    # Engines have many words for an end of their own; `length` is the one for being cut off.
    ended = str(values.get("finish_reason", "stop"))
    return Line(values, Answered(text_of(values, "completion", place), reference, ended))


def _groups(lines: Sequence[Line], item: str | None, file: Path) -> list[list[int]]:
    """The lines of each item."""
    if item is None:
        return [[index] for index in range(len(lines))]
    groups: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        if item not in line.values:
            raise Refused(f"entry {index + 1} of {file} has no '{item}'; --item names a column of every line")
        groups.setdefault(json.dumps(line.values[item]), []).append(index)
    sizes = {len(group): name for name, group in groups.items()}
    if len(sizes) > 1:
        counts = " and ".join(f"{size} of {name}" for size, name in sorted(sizes.items())[:2])
        raise Refused(
            f"the items of {file} have different numbers of samples ({counts}); give each equally many"
        )
    return list(groups.values())


def _graded(answers: Sequence[Answered]) -> list[Verdict]:
    """With a bar on stderr where somebody may be looking."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("grading", total=len(answers))
        return grade_all(answers, lambda n_graded: bar.update(task, completed=n_graded))


def _print_summary(verdicts: Sequence[Verdict], groups: Sequence[Sequence[int]], console: Console) -> None:
    counts = Counter(verdict.reason for verdict in verdicts)
    table = Table("reason", "items", "share")
    for reason in REASONS:
        table.add_row(reason, str(counts[reason]), f"{counts[reason] / len(verdicts):.1%}")
    console.print(table)
    console.print(f"{counts['correct']} of {len(verdicts)} correct")
    n_exact = sum(verdict.exact for verdict in verdicts)
    n_agree = sum(verdict.exact == verdict.correct for verdict in verdicts)
    console.print(f"{n_exact} to the letter; that and the grader agree on {n_agree / len(verdicts):.1%}")
    if len(groups[0]) > 1:
        _print_shares([[verdicts[index] for index in group] for group in groups], console)


def _print_shares(items: Sequence[Sequence[Verdict]], console: Console) -> None:
    shares = together(items)
    console.print(f"{len(items)} items with {len(items[0])} samples each")
    rows = [(f"pass@{k}", share) for k, share in shares.pass_at.items()]
    rows += [(f"maj@{k}", share) for k, share in shares.maj_at.items()]
    for name, share in (*rows, ("consistency", shares.consistency)):
        console.print(f"{name:12} {share:.1%}")
