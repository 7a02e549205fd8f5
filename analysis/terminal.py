"""Results on the terminal."""

import sys
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.curve import Curve
from analysis.fitting import Status
from analysis.numerals import NOTHING, interval, number

Cell = Callable[[Curve], str]


def _estimate(name: str) -> Cell:
    return lambda curve: number(curve.fit.parameters[name].estimate, curve.metric.decimals + 1)


def _interval(name: str) -> Cell:
    return lambda curve: interval(curve.fit.parameters[name], curve.metric.decimals + 1)


COLUMNS: dict[str, Cell] = {
    "per doubling": _estimate("per_doubling"),
    "interval": _interval("per_doubling"),
    "level": lambda curve: curve.fit.parameters["per_doubling"].level or NOTHING,
    "intercept": _estimate("intercept"),
    "R²": lambda curve: number(curve.fit.r_squared, 3),
    "residual sd": lambda curve: number(curve.fit.residual_sd, curve.metric.decimals + 1),
    "runs": lambda curve: str(len(curve.fit.runs.values)),
    "amounts": lambda curve: str(curve.fit.n_amounts),
    "seeds": lambda curve: str(curve.fit.runs.n_seeds),
    "notes": lambda curve: str(len(curve.warnings)),
}
BRIEF = ("per doubling", "interval", "R²", "runs", "notes")
# Where nothing is a terminal (a file, a pipe) lines are not folded to its width.
PIPE_WIDTH = 200
# Curves named beside a note that is true of many.
MOST_NAMED = 4


def stdout() -> Console:
    """The console for results; wide where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def stderr() -> Console:
    """The console for progress and refusals."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def fit_table(curves: Sequence[Curve], columns: Sequence[str] | None = None) -> Table:
    """One row per fit, with all columns or those named."""
    shown = {name: COLUMNS[name] for name in columns or COLUMNS}
    metric, law = curves[0].metric, curves[0].fit.law
    table = Table(caption=f"{law.formula}, in {metric.unit}; intervals: 95 %, for this benchmark")
    for name in curves[0].group:
        table.add_column(Text(str(name)), overflow="fold")
    for name in shown:
        table.add_column(name, justify="right")
    for curve in curves:
        cells = [*(str(value) for value in curve.group.values()), *(cell(curve) for cell in shown.values())]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def print_notes(console: Console, curves: Sequence[Curve]) -> None:
    """What is odd, each said once with the curves of which it is true."""
    notes: dict[str, list[str]] = {}
    for curve in curves:
        name = ", ".join(str(value) for value in curve.group.values())
        for warning in (*_status_note(curve), *curve.warnings):
            notes.setdefault(warning, []).append(name)
    for warning, names in notes.items():
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        where = f" ({'; '.join(names[:MOST_NAMED])}{more})" if names[0] else ""
        console.print(Text(f"{warning}{where}"), soft_wrap=True)


def _status_note(curve: Curve) -> list[str]:
    return [] if curve.fit.status is Status.CONVERGED else [f"not fitted in full: {curve.fit.status}"]
