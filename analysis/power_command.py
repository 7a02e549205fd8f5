"""The command `power`: what a design resolves, with assumed scatter or that of a study or table."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.measured import PER_EXAMPLE, Measured, measured_in_study, measured_in_table
from analysis.metric import ACCURACY, POINTS_PER_FRACTION, THIS_BENCHMARK
from analysis.numerals import NOTHING, amount_text, exactly, number
from analysis.power import POWER, Design, Scatter
from analysis.prospect import Prospect, prospect, prospect_json
from analysis.reading import read_table
from analysis.study import read_study
from analysis.terminal import stdout
from analysis.tidy import PERCENT, Columns, accuracy_groups
from analysis.variance import Variance
from orchestrator.refusal import Refused

DIFFERENCES = "0.25,0.5,1"
CELLS_SHOWN = 5
EXAMPLE = "Example: doublings power --amounts 1000,2000,4000,8000 --seeds 3 --sd 0.8 --difference 0.5"


def power_command(  # noqa: PLR0913 (one argument per option)
    source: Annotated[
        Path | None, typer.Argument(help="A study's folder or a table to learn the scatter from.")
    ] = None,
    *,
    difference: Annotated[
        str, typer.Option(metavar="D[,D]", help="Differences of slopes, per doubling.")
    ] = DIFFERENCES,
    amounts: Annotated[str | None, typer.Option(metavar="N,N[,N]", help="Amounts of data.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds at each amount.")] = None,
    sd: Annotated[float | None, typer.Option(min=0, help="Scatter of runs between seeds, points.")] = None,
    slope_sd: Annotated[
        float | None, typer.Option(min=0, help="Scatter of the chains' own slopes, points per doubling.")
    ] = None,
    correlation: Annotated[
        float | None, typer.Option(min=0, max=0.99, help="Of two strategies' runs that share seeds.")
    ] = None,
    items: Annotated[int | None, typer.Option(min=1, help="Test items.")] = None,
    accuracy: Annotated[
        float, typer.Option(min=0, max=100, help="Accuracy in points, for luck with items.")
    ] = 50.0,
    power: Annotated[float, typer.Option(min=0.06, max=0.999, help="Power wanted.")] = POWER,
    benchmark: Annotated[str | None, typer.Option(help="Which benchmark of a study.")] = None,
    amount: Annotated[str, typer.Option(metavar="COL", help="In a table: amount of data.")] = "amount",
    value: Annotated[str, typer.Option(metavar="COL", help="In a table: accuracy, a fraction.")] = "accuracy",
    by: Annotated[str | None, typer.Option(metavar="COL[,COL]", help="In a table: one curve each.")] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="COL[,COL]", help="In a table: what names a seed.")
    ] = None,
    percent: Annotated[bool, typer.Option("--percent", help="In a table: accuracies in percent.")] = False,
    where: Annotated[str | None, typer.Option(metavar="EXPR", help="In a table: which rows.")] = None,
    as_machine: Annotated[bool, typer.Option("--json", help="JSON on stdout, nothing else.")] = False,
) -> None:
    """How many seeds, amounts and test items find a difference of slopes; which run says most next.

    Scatter is assumed (--sd, --items), or measured in a study or a table, where options overrule it.
    """
    columns = Columns(amount, value, _listed(by), _listed(seed), None)
    scale = PERCENT if percent else 1.0
    known = None if source is None else _measured(source, where, columns, scale, benchmark)
    scatter = _scatter(known, sd, items, accuracy)
    if slope_sd is not None:
        scatter = replace(scatter, slope_sd=slope_sd)
    if correlation is not None:
        scatter = replace(scatter, correlation=correlation)
    found = prospect(
        _design(known, amounts, seeds),
        scatter,
        _numbers(difference, "--difference"),
        power,
        known.cost if known else PER_EXAMPLE,
    )
    variance = known.variance if known else None
    if as_machine:
        told = {
            **prospect_json(found),
            "target": THIS_BENCHMARK,
            "variance": variance and variance_json(variance),
        }
        typer.echo(json.dumps(told, allow_nan=False))
        return
    _print(stdout(), found, known.metric.unit if known else ACCURACY.unit, variance)


def variance_json(found: Variance) -> dict[str, object]:
    """The variance table for machines."""
    return {
        "run_sd": found.run_sd,
        "degrees_of_freedom": found.degrees_of_freedom,
        "components": [{"name": one.name, "sd": one.sd, "share": one.share} for one in found.components],
        "slope_sd": found.slope_sd,
        "intraclass": found.intraclass,
        "item_variance": found.item_variance,
        "n_items": found.n_items,
        "correlation": found.correlation,
    }


def _measured(
    source: Path, where: str | None, columns: Columns, scale: float, benchmark: str | None
) -> Measured:
    if source.is_dir():
        return measured_in_study(read_study(source), benchmark)
    return measured_in_table(accuracy_groups(read_table(source, where), columns, scale), ACCURACY)


def _scatter(known: Measured | None, sd: float | None, items: int | None, accuracy: float) -> Scatter:
    """What was measured, overruled by what is assumed; luck with items is binomial where it is not known."""
    if known is not None and known.variance is not None and sd is None:
        scatter = known.variance.scatter
        if items is not None and scatter.item_variance > 0:
            scatter = replace(scatter, n_items=float(items))
        return scatter
    if sd is None and items is None:
        raise Refused(
            "nothing says how runs scatter: give --sd (points), --items, or a source with replicates"
        )
    binomial = accuracy * (POINTS_PER_FRACTION - accuracy)
    if sd is None:
        return Scatter(0.0, binomial, float(items or 1))
    if items is None:
        return Scatter(sd)
    of_items = min(binomial / items, sd**2)
    return Scatter(float((sd**2 - of_items) ** 0.5), of_items * items, float(items))


def _design(known: Measured | None, amounts: str | None, seeds: int | None) -> Design:
    if amounts is None and known is None:
        raise Refused("no amounts: give --amounts, such as --amounts 1000,2000,4000")
    chosen = _numbers(amounts, "--amounts") if amounts is not None else known.design.amounts if known else ()
    distinct = tuple(sorted(set(chosen)))
    if len(distinct) < 2 or distinct[0] <= 0:
        told = ", ".join(exactly(one) for one in distinct)
        raise Refused(f"amounts {told}: a slope takes at least two distinct ones above 0")
    return Design(distinct, seeds or (known.design.seeds if known else 3))


def _listed(names: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (names or "").split(",") if name.strip())


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in _listed(text))
    except ValueError:
        raise Refused(f"{option} is {text!r}: give numbers parted by commas, such as 0.5,1") from None


def _print(console: Console, found: Prospect, unit: str, variance: Variance | None) -> None:
    if variance is not None:
        console.print(variance_grid(variance, unit))
    design, scatter = found.design, found.scatter
    amounts = ", ".join(amount_text(amount) for amount in design.amounts)
    console.print(Text(f"{design.seeds} seeds at {amounts}; run sd {scatter.run_sd:.2f} {unit}"))
    width = NOTHING if found.half_width is None else f"±{found.half_width:.2f}"
    least = number(found.smallest_difference, 2)
    console.print(Text(f"a slope is known to {width} {unit} per doubling (95 %, for {THIS_BENCHMARK})"))
    console.print(Text(f"smallest difference of slopes found with {found.wanted:.0%} power: {least} {unit}"))
    table = Table(caption="seeds per amount; by runs: if runs of a chain shared no luck")
    heads = ("difference", "power now", "seeds needed", "by runs", "with a doubling more", "items needed")
    for head in heads:
        table.add_column(head, justify="right")
    for one in found.outlooks:
        needs = (one.seeds_by_chains, one.seeds_by_runs, one.seeds_with_a_doubling_more, one.items)
        cells = (NOTHING if need is None else f"{need:,}" for need in needs)
        table.add_row(f"{one.difference:g}", f"{one.power:.0%}", *cells)
    console.print(table)
    best = found.next_cells[:CELLS_SHOWN]
    parts = "; ".join(f"{amount_text(cell.amount)} (variance −{cell.narrowing:.0%})" for cell in best)
    console.print(Text(f"one more run that narrows the slope most per {found.cost.unit}: {parts}"))


def variance_grid(variance: Variance, unit: str) -> Table:
    """The variance table on a terminal."""
    table = Table(title=f"scatter of runs, {unit}", title_justify="left")
    for head in ("source", "sd", "share of variance"):
        table.add_column(head, justify="right" if head != "source" else "left")
    for one in variance.components:
        table.add_row(one.name, f"{one.sd:.2f}", f"{one.share:.0%}")
    table.add_row("a run", f"{variance.run_sd:.2f}", f"{variance.degrees_of_freedom} df")
    return table
