"""Results on the terminal."""

import sys
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.chosen import Chosen
from analysis.curve import Curve
from analysis.fitting import Status
from analysis.laws import LOGLINEAR, AnyLaw
from analysis.metric import Metric
from analysis.numerals import MINUS, NOTHING, amount_text, interval, number
from analysis.reach import Reached

Cell = Callable[[Curve], str]


def _estimate(name: str) -> Cell:
    return lambda curve: number(curve.fit.parameters[name].estimate, curve.metric.decimals + 1)


def _interval(name: str) -> Cell:
    return lambda curve: interval(curve.fit.parameters[name], curve.metric.decimals + 1)


LINE: dict[str, Cell] = {
    "per doubling": _estimate("per_doubling"),
    "interval": _interval("per_doubling"),
    "level": lambda curve: curve.fit.parameters["per_doubling"].level or NOTHING,
    "intercept": _estimate("intercept"),
}
COMMON: dict[str, Cell] = {
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
# Verdicts whose reasons are printed: more fill a screen, and are in --json.
MOST_JUDGED = 12
# Curves named beside a note that is true of many.
MOST_NAMED = 4


def stdout() -> Console:
    """The console for results; wide where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def stderr() -> Console:
    """The console for progress and refusals."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def fit_table(curves: Sequence[Curve], columns: Sequence[str] | None = None) -> Table:
    """One row per fit of one law, with all columns or those named."""
    metric, law = curves[0].metric, curves[0].fit.law
    cells = (LINE if law is LOGLINEAR else _parameter_cells(law)) | COMMON
    caption = f"{law.formula}, in {metric.unit}; intervals: 95 %, for this benchmark"
    return _table(curves, {name: cells[name] for name in columns or cells}, caption)


def chosen_table(found: Sequence[Chosen]) -> Table:
    """One row per group: its law, how well that forecasts, and the forecasts."""
    metric = found[0].curve.metric
    table = Table(caption=_chosen_caption(metric))
    for name in found[0].curve.group:
        table.add_column(Text(str(name)), overflow="fold")
    amounts = [amount_text(amount) for amount in found[0].wishes.amounts]
    head = ["law", "verdict", "held out", *(f"at {amount}" for amount in amounts)]
    if found[0].wishes.value is not None:
        head.append(f"amount for {found[0].wishes.value:g}")
    for name in (*head, "runs", "notes"):
        table.add_column(name, justify="right")
    for one in found:
        table.add_row(*(Text(cell) for cell in _chosen_cells(one)))
    return table


def _chosen_caption(metric: Metric) -> str:
    error = "of logarithms" if metric.log_scale else f"in {metric.unit}"
    return (
        f"forecasts in {metric.unit} with 95 % intervals, the mean of laws weighed by held-out error;"
        f" held out: root mean square error {error} of the law named"
    )


def _chosen_cells(one: Chosen) -> list[str]:
    curve, choice = one.curve, one.choice
    decimals = curve.metric.decimals
    cells = [str(value) for value in curve.group.values()]
    window = choice.candidate.last_amounts if choice else 0
    cells.append(f"{curve.fit.law.id}, last {window}" if window else curve.fit.law.id)
    cells.append(one.verdict.word.value if one.verdict else NOTHING)
    cells.append(number(choice.holdout_error if choice else None, max(decimals, 2)))
    cells += [
        f"{number(estimate.estimate, decimals)} ({interval(estimate, decimals)})"
        for estimate in one.predictions
    ]
    if one.wishes.value is not None:
        cells.append(_reached_text(one.reached))
    return [*cells, str(len(curve.runs.values)), str(len(curve.warnings))]


def _reached_text(reached: Reached | None) -> str:
    if reached is None or reached.amount is None:
        return NOTHING
    low, high = (NOTHING if end is None else f"{end:,.0f}" for end in (reached.low, reached.high))
    return f"{reached.amount:,.0f} ({low} to {high})"


def _parameter_cells(law: AnyLaw) -> dict[str, Cell]:
    """Estimate and interval of each parameter in one cell."""
    cells: dict[str, Cell] = {"status": lambda curve: curve.fit.status.value}
    for parameter in law.parameters:
        cells[parameter.name] = _significant(parameter.name)
    return cells


def _significant(name: str) -> Cell:
    """Four significant digits: parameters have units of their own."""

    def cell(curve: Curve) -> str:
        one = curve.fit.parameters[name]
        if one.estimate is None or one.low is None or one.high is None:
            return NOTHING if one.estimate is None else f"{one.estimate:.4g}"
        return f"{one.estimate:.4g} ({one.low:.4g} to {one.high:.4g})".replace("-", MINUS)

    return cell


def _table(curves: Sequence[Curve], shown: dict[str, Cell], caption: str) -> Table:
    table = Table(caption=caption)
    for name in curves[0].group:
        table.add_column(Text(str(name)), overflow="fold")
    for name in shown:
        table.add_column(name, justify="right")
    for curve in curves:
        cells = [*(str(value) for value in curve.group.values()), *(cell(curve) for cell in shown.values())]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def print_verdicts(console: Console, found: Sequence[Chosen]) -> None:
    """The reasons of each verdict, and what would tell where it cannot; none where groups are many."""
    judged = [(one, one.verdict) for one in found if one.verdict is not None]
    for one, verdict in judged if len(judged) <= MOST_JUDGED else ():
        name = ", ".join(str(value) for value in one.curve.group.values())
        console.print(Text(f"{name}: {verdict.word}" if name else str(verdict.word), "bold"))
        lines = [*verdict.reasons, *(f"would tell: {text}" for text in verdict.would_tell)]
        for line in lines:
            console.print(Text(f"  {line}"), soft_wrap=True)


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
