"""The commands of the analysis: `fit` and `power` for any table, `report` and `tune` for a study."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from analysis.between import between, between_json, print_between
from analysis.chosen import Wishes, chosen_json
from analysis.curve import as_json
from analysis.figures import FORMATS
from analysis.fit_command import Request, fit_groups, forecast_groups, refuse_unless_any_fitted
from analysis.fit_files import FitFiles
from analysis.laws import LAWS
from analysis.metric import THIS_BENCHMARK
from analysis.notebook import forecast_fits, plain_fits
from analysis.power_command import EXAMPLE, power_command
from analysis.reading import read_table
from analysis.report import report
from analysis.terminal import BRIEF, chosen_table, fit_table, print_notes, print_verdicts, stderr, stdout
from analysis.tidy import Columns
from analysis.track_command import EXAMPLE as TRACK_EXAMPLE
from analysis.track_command import track_command
from analysis.tune_command import TUNING_EXAMPLE, tune_command
from orchestrator.refusal import Refused

REFUSED = 2

app = typer.Typer(
    help="What does each doubling of fine-tuning data buy?",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command(
    "fit",
    epilog=(
        "Example: doublings fit runs.csv --amount n --value accuracy --by model --seed seed"
        " --law auto --predict 100000,200000"
    ),
)
def fit_command(  # noqa: PLR0913 (one argument per option)
    table: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet; one row per run.")],
    *,
    amount: Annotated[str, typer.Option(metavar="COL", help="Amount of data, above 0.")],
    value: Annotated[str, typer.Option(metavar="COL", help="Accuracy from 0 to 1, or a loss.")],
    by: Annotated[list[str] | None, typer.Option(metavar="COL[,COL]", help="One fit for each value.")] = None,
    seed: Annotated[
        list[str] | None, typer.Option(metavar="COL[,COL]", help="What tells replicates apart; a chain.")
    ] = None,
    items: Annotated[str | None, typer.Option(metavar="N|COL", help="Test items behind an accuracy.")] = None,
    percent: Annotated[bool, typer.Option("--percent", help="Accuracies are in percent.")] = False,
    where: Annotated[
        str | None, typer.Option(metavar="EXPR", help="Which rows, as pandas has it: 'amount > 0'.")
    ] = None,
    law: Annotated[
        str, typer.Option(help=f"auto (the law that forecasts best), {', '.join(LAWS)}.")
    ] = "loglinear",
    metric: Annotated[str, typer.Option(help="accuracy or loss.")] = "accuracy",
    predict: Annotated[
        str | None, typer.Option(metavar="AMOUNT[,AMOUNT]", help="Forecast the value at these amounts.")
    ] = None,
    reach: Annotated[
        float | None, typer.Option(metavar="VALUE", help="Forecast the amount for a value, as in the table.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="With --law auto: what counts as a line, by default 1 point.")
    ] = None,
    compare: Annotated[
        str | None, typer.Option(metavar="COL", help="Set the values of this column against each other.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="COL", help="Model sizes (7b, 350M): amount and size together.")
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(metavar="N", min=0, help="Parameter intervals of laws that bend from N refits.")
    ] = 0,
    figure: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Draw the curves: .pdf, .svg, .png or .pgf.")
    ] = None,
    column: Annotated[str, typer.Option(help="Width of that figure: single or double.")] = "double",
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write every figure and table into this folder.")
    ] = None,
    as_machine: Annotated[bool, typer.Option("--json", help="JSON on stdout, nothing else.")] = False,
) -> None:
    """Fit accuracy against the logarithm of the amount of data, in any tidy table.

    Parameters come out in points (percent points), whether accuracies are fractions or percent:
    `per_doubling` is what each doubling of the data buys, `intercept` the value of the line at amount 1.
    """
    files = FitFiles.of(figure, into, column)
    request = Request.of(
        law, metric, percent=percent, predict=predict, reach=reach, bootstrap=bootstrap
    ).within(margin)
    frame = read_table(table, where)
    names = list(frame.columns)
    apart = dict.fromkeys((*_names(by, names), *(name for name in (compare, size) if name is not None)))
    columns = Columns(amount, value, tuple(apart), _names(seed, names), items)
    groups = request.groups(frame, columns)
    beside = between(groups, compare, size)
    told, console = {"target": THIS_BENCHMARK, **between_json(beside)}, stdout()
    if request.forecasts:
        found = forecast_groups(groups, request)
        refuse_unless_any_fitted([one.curve for one in found], columns)
        files.write(forecast_fits(groups, found, amount, beside))
        if as_machine:
            typer.echo(json.dumps({"fits": [chosen_json(one) for one in found], **told}, allow_nan=False))
            return
        curves = [one.curve for one in found]
        as_laws = request.law is not None and request.wishes == Wishes(margin=margin)
        console.print(fit_table(curves) if as_laws else chosen_table(found))
        print_verdicts(console, found)
        print_between(console, beside, request.metric)
        print_notes(console, curves)
        return
    curves = fit_groups(groups, request)
    refuse_unless_any_fitted(curves, columns)
    files.write(plain_fits(groups, curves, amount, beside))
    if as_machine:
        typer.echo(json.dumps({"fits": [as_json(each) for each in curves], **told}, allow_nan=False))
        return
    console.print(fit_table(curves))
    print_between(console, beside, request.metric)
    print_notes(console, curves)


app.command("power", epilog=EXAMPLE)(power_command)
app.command("track", epilog=TRACK_EXAMPLE)(track_command)
app.command("tune", epilog=TUNING_EXAMPLE)(tune_command)


@app.command("report", epilog="Example: doublings report outputs/studies/mini")
def report_command(
    study: Annotated[Path, typer.Argument(help="The study's folder, <outputs>/studies/<name>.")],
    *,
    as_machine: Annotated[bool, typer.Option("--json", help="JSON on stdout, nothing else.")] = False,
    formats: Annotated[
        str, typer.Option(metavar="KIND[,KIND]", help="File formats of the figures.")
    ] = ",".join(FORMATS),
    show: Annotated[bool, typer.Option("--open/--open-no", help="Open the page when written.")] = False,
) -> None:
    """Write the report page of a study, its figures and tables; say what they answer."""
    wanted = [kind.strip() for kind in formats.split(",") if kind.strip()]
    unknown = [kind for kind in wanted if kind not in FORMATS]
    if unknown:
        raise Refused(f"no format {unknown[0]!r}: there is {', '.join(FORMATS)}")
    written = report(study, wanted)
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


def main() -> None:
    """Run a command; what is refused ends with one sentence on stderr and exit code 2."""
    try:
        app(prog_name="doublings")
    except Refused as refusal:
        stderr().print(str(refusal), markup=False)
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
