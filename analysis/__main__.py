"""The commands of the analysis: `fit` and `power` for any table, `report` for a study."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track
from rich.text import Text

from analysis.curve import Curve, as_json, curve
from analysis.fitting import Status
from analysis.laws import LAWS
from analysis.metric import ACCURACY
from analysis.power_command import EXAMPLE, power_command
from analysis.report import report
from analysis.terminal import BRIEF, fit_table, print_notes, stderr, stdout
from analysis.tidy import PERCENT, Columns, accuracy_groups, read_table
from orchestrator.refusal import Refused

REFUSED = 2
# More groups than this take long enough to want a bar.
MANY_GROUPS = 500

app = typer.Typer(
    help="What does each doubling of fine-tuning data buy?",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command(
    "fit",
    epilog="Example: doublings fit runs.csv --amount n --value accuracy --by model --seed seed",
)
def fit_command(  # noqa: PLR0913 (one argument per option)
    table: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet; one row per run.")],
    *,
    amount: Annotated[str, typer.Option(metavar="COL", help="Amount of data, above 0.")],
    value: Annotated[str, typer.Option(metavar="COL", help="Accuracy, a fraction from 0 to 1.")],
    by: Annotated[list[str] | None, typer.Option(metavar="COL[,COL]", help="One fit for each value.")] = None,
    seed: Annotated[
        list[str] | None, typer.Option(metavar="COL[,COL]", help="What tells replicates apart; a chain.")
    ] = None,
    items: Annotated[str | None, typer.Option(metavar="N|COL", help="Test items behind an accuracy.")] = None,
    percent: Annotated[bool, typer.Option("--percent", help="Accuracies are in percent.")] = False,
    law: Annotated[str, typer.Option(help=f"The law to fit: {', '.join(LAWS)}.")] = "loglinear",
    as_machine: Annotated[bool, typer.Option("--json", help="JSON on stdout, nothing else.")] = False,
) -> None:
    """Fit accuracy against the logarithm of the amount of data, in any tidy table.

    Parameters come out in points (percent points), whether accuracies are fractions or percent:
    `per_doubling` is what each doubling of the data buys, `intercept` the value of the line at amount 1.
    """
    if law not in LAWS:
        raise Refused(f"no law {law!r}: there is {', '.join(LAWS)}")
    frame = read_table(table)
    names = list(frame.columns)
    columns = Columns(amount, value, _names(by, names), _names(seed, names), items)
    groups = accuracy_groups(frame, columns, PERCENT if percent else 1.0)
    bar = track(groups, "fitting", console=stderr(), transient=True, disable=len(groups) < MANY_GROUPS)
    curves = [curve(group.key, group.runs, LAWS[law], ACCURACY, group.notes) for group in bar]
    _refuse_unless_any_fitted(curves, columns)
    if as_machine:
        typer.echo(json.dumps({"fits": [as_json(each) for each in curves]}, allow_nan=False))
        return
    console = stdout()
    console.print(fit_table(curves))
    print_notes(console, curves)


app.command("power", epilog=EXAMPLE)(power_command)


@app.command("report", epilog="Example: doublings report outputs/studies/mini")
def report_command(
    study: Annotated[Path, typer.Argument(help="The study's folder, <outputs>/studies/<name>.")],
    *,
    as_machine: Annotated[bool, typer.Option("--json", help="JSON on stdout, nothing else.")] = False,
    show: Annotated[bool, typer.Option("--open/--open-no", help="Open the page when written.")] = False,
) -> None:
    """Write the report page of a study, its figures and tables; say what they answer."""
    written = report(study)
    if as_machine:
        typer.echo(json.dumps(written.summary, allow_nan=False))
    else:
        console = stdout()
        if written.results.curves:
            console.print(fit_table(written.results.curves, BRIEF))
        for answer in written.answers:
            console.print(Text.assemble((answer.question, "bold"), " ", answer.text))
        if written.summary["by_construction"]:
            console.print(Text(f"Built in by construction: {written.summary['by_construction']}"))
        console.print(Text(f"report: {written.page}"), soft_wrap=True)
    if show:
        typer.launch(str(written.page))


def _names(options: Sequence[str] | None, columns: Sequence[str]) -> tuple[str, ...]:
    """Column names from options that may each hold several, parted by commas."""
    names: list[str] = []
    for option in options or ():
        names += [option] if option in columns else [name.strip() for name in option.split(",")]
    return tuple(name for name in names if name)


def _refuse_unless_any_fitted(curves: Sequence[Curve], columns: Columns) -> None:
    if any(each.fit.status is not Status.TOO_FEW_AMOUNTS for each in curves):
        return
    where = f" in every group of {', '.join(columns.by)}" if columns.by else ""
    raise Refused(
        f"column {columns.amount!r} has a single amount{where}, {curves[0].fit.runs.amounts[0]:g}:"
        " a line takes at least two"
    )


def main() -> None:
    """Run a command; what is refused ends with one sentence on stderr and exit code 2."""
    try:
        app(prog_name="doublings")
    except Refused as refusal:
        stderr().print(str(refusal), markup=False)
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
