"""The command `tune`: the winning hyperparameters of a sweep, as overrides."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from analysis.least_squares import estimate_json
from analysis.numerals import counted, spread
from analysis.study import read_study
from analysis.terminal import stdout
from analysis.tune import Choice, Setting, Tuning, tune

TUNING_EXAMPLE = "Example: doublings tune mini_tuning --per amount"


def tune_command(
    study: Annotated[Path, typer.Argument(help="The study's folder, <outputs>/studies/<name>.")],
    *,
    per: Annotated[
        str, typer.Option(metavar="AXIS[,AXIS]", help="Choose for each model, amount, ...")
    ] = "model",
    overrides: Annotated[
        bool, typer.Option("--overrides", help="Nothing but the winners' overrides on stdout.")
    ] = False,
    as_machine: Annotated[bool, typer.Option("--json", help="JSON on stdout, nothing else.")] = False,
) -> None:
    """Choose hyperparameters on the sources that were held out for it; a study that asks tests is refused."""
    found = tune(read_study(study), [name for name in per.split(",") if name])
    if as_machine:
        typer.echo(json.dumps(_as_document(found), allow_nan=False))
    elif overrides:
        typer.echo(" ".join(_sweep(found)))
    else:
        _print(found, stdout())


def _sweep(found: Tuning) -> list[str]:
    """One group's as they are; several groups as axes that move together."""
    if len(found.choices) == 1:
        return [_override(*item) for item in found.choices[0].winner.overrides.items()]
    rows = [{**choice.group, **choice.winner.overrides} for choice in found.choices]
    axes = [_override(name, ",".join(_text(row[name]) for row in rows)) for name in rows[0]]
    return [*axes, f"hydra.sweeper.zip=[[{','.join(rows[0])}]]"]


def _print(found: Tuning, console: Console) -> None:
    asked = ", ".join(found.benchmarks)
    console.print(f"chosen on {asked}, never on a test: {', '.join(found.hyperparameters)}", highlight=False)
    for choice in found.choices:
        group = _listed(choice.group) or "all runs"
        console.print(f"{group}: {_listed(choice.winner.overrides)}", style="bold", highlight=False)
        for setting in choice.ranked:
            console.print(f"  {_listed(setting.overrides)}: {_did(setting, found)}", highlight=False)
        for line in _doubts(choice, found):
            console.print(f"  note: {line}", style="yellow", highlight=False)
    console.print("as overrides: " + " ".join(_sweep(found)), highlight=False, soft_wrap=True, markup=False)


def _did(setting: Setting, found: Tuning) -> str:
    told = spread(setting.value, found.metric.decimals)
    return f"{found.metric.label.lower()} {told}, {counted(setting.n_chains, 'chain')}"


def _doubts(choice: Choice, found: Tuning) -> Iterable[str]:
    if len(choice.ranked) > 1 and not choice.is_clear:
        lead = f"{spread(choice.lead, found.metric.decimals)} {found.metric.unit}"
        yield f"cannot be told from {_listed(choice.ranked[1].overrides)}: ahead by {lead}"
    for name in choice.at_edge:
        winner = _override(name, choice.winner.overrides[name])
        yield f"{winner} is at the edge of what was tried: try further out"
    if choice.n_missing:
        yield f"{choice.n_missing} results are left out, as not every setting has them"


def _listed(values: Mapping[str, Any]) -> str:
    return " ".join(_override(*item) for item in values.items())


def _override(name: str, value: Any) -> str:
    return f"{name}={_text(value)}"


def _text(value: Any) -> str:
    """As Hydra reads it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)


def _as_document(found: Tuning) -> dict[str, Any]:
    return {
        "metric": found.metric.id,
        "unit": found.metric.unit,
        "benchmarks": list(found.benchmarks),
        "overrides": _sweep(found),
        "choices": [
            {
                "group": dict(choice.group),
                "ranked": [
                    {
                        "overrides": dict(setting.overrides),
                        **estimate_json(setting.value),
                        "n_chains": setting.n_chains,
                    }
                    for setting in choice.ranked
                ],
                "lead": estimate_json(choice.lead),
                "clear": choice.is_clear,
                "at_edge": list(choice.at_edge),
                "n_missing": choice.n_missing,
            }
            for choice in found.choices
        ],
    }
