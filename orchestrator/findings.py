"""What an examination found: one line for each check, with a verdict and what to do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

Verdict = Literal["ok", "warn", "bad"]
STYLES = {"ok": "green", "warn": "yellow", "bad": "bold red"}


@dataclass(frozen=True)
class Finding:
    """One line; every one that is not ok says what to do."""

    check: str
    finding: str
    verdict: Verdict = "ok"
    remedy: str = ""


def worst(findings: Sequence[Finding]) -> Verdict:
    """Of all of them; ok where there is none."""
    order: tuple[Verdict, ...] = ("ok", "warn", "bad")
    return max((finding.verdict for finding in findings), key=order.index, default="ok")


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """For machines."""
    return {"verdict": worst(findings), "findings": [asdict(finding) for finding in findings]}


def table(title: str, findings: Sequence[Finding]) -> Table:
    """For people."""
    drawn = Table(title=Text(title), title_justify="left")
    for heading in ("check", "finding", "", "what to do"):
        drawn.add_column(heading, overflow="fold")
    for finding in findings:
        verdict = Text(finding.verdict, style=STYLES[finding.verdict])
        drawn.add_row(Text(finding.check), Text(finding.finding), verdict, Text(finding.remedy))
    return drawn
