"""The verbs that run in other rooms, as commands: what they are called and what they take."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

Study = Annotated[str, typer.Argument(help="name of a study, or its folder")]
Outputs = Annotated[Path, typer.Option(help="where results lie")]

# What a room reads itself, behind a study or without one.
OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True}
EVERYTHING = {**OPTIONS, "help_option_names": [], "allow_interspersed_args": True}


def register(app: typer.Typer) -> None:
    """Add the verbs to a command line."""
    of_studies: tuple[Callable[..., None], ...] = (report, track, verify, distribution, tune)
    for verb in of_studies:
        app.command(context_settings=OPTIONS)(verb)
    for verb in (fit, power, grade):
        app.command(context_settings=EVERYTHING)(verb)


def report(study: Study, context: typer.Context, outputs: Outputs = Path("outputs")) -> None:
    """Write the report page of a study anew, with its figures and tables.

    doublings report mini --formats pdf,png --open

    --formats KIND[,KIND]: file formats of the figures, by default pdf,svg,png,pgf

    --open: open the page when it is written

    --json: the answers on stdout, nothing else
    """
    folder = _find(study, outputs).root
    _hand_over("analysis", "report", str(folder), *context.args)


def track(study: Study, context: typer.Context, outputs: Outputs = Path("outputs")) -> None:
    """Copy courses and results of finished cells to a tracker: TensorBoard, MLflow or Weights & Biases.

    doublings track mini --to tensorboard --watch

    --to tensorboard|mlflow|wandb: whose package is installed; servers and keys by its environment variables

    --watch: go on until every cell is there
    """
    folder = _find(study, outputs).root
    _hand_over("analysis", "track", str(folder), *context.args)


def verify(study: Study, context: typer.Context, outputs: Outputs = Path("outputs")) -> None:
    """Prove from the files that subsets nest and nothing changed; overlap of sources, contamination.

    doublings verify mini
    """
    found = _find(study, outputs)
    number = found.newest()
    _hand_over(
        "experiments", "verify", str(found.plans / f"{number}.json"), str(found.outputs), *context.args
    )


def distribution(study: Study, context: typer.Context, outputs: Outputs = Path("outputs")) -> None:
    """How far each pool lies from each benchmark, by amount; the report draws where the queries lie.

    doublings distribution mini --by tsne

    --by pca|tsne: how places in the plane are found

    --features words|sentences|states, --model MODEL: what queries are seen by: TF-IDF, a model of
    sentence-transformers, or the hidden states of a fine-tuned model (the one with the largest amount)

    --json: the tables on stdout, nothing else
    """
    found = _find(study, outputs)
    plan = str(found.plans / f"{found.newest()}.json")
    _hand_over("experiments", "distribution", plan, str(found.outputs), *context.args)


def fit(context: typer.Context) -> None:
    """Fit accuracy against amount on any tidy table, without a study.

    doublings fit TABLE.csv --amount n --value accuracy --by model --percent
    """
    _hand_over("analysis", "fit", *context.args)


def power(context: typer.Context) -> None:
    """How many seeds, amounts and test items find a difference of slopes; which run says most next.

    doublings power mini --difference 0.5
    """
    source, *options = context.args or [""]
    if source and not source.startswith("-") and not Path(source).is_file():
        source = str(_find(source, Path("outputs")).root)
    _hand_over("analysis", "power", *([source] if source else []), *options)


def tune(study: Study, context: typer.Context, outputs: Outputs = Path("outputs")) -> None:
    """Which hyperparameters of a sweep did best on held-out sources, as overrides; refuses tests.

    doublings tune mini_tuning --per amount

    --per AXIS[,AXIS]: choose for each value of these (model, amount, strategy); by default for each model

    --overrides: nothing but the overrides of the winners on stdout, as `run` takes them

    --json: the choices on stdout, nothing else
    """
    folder = _find(study, outputs).root
    _hand_over("analysis", "tune", str(folder), *context.args)


def grade(context: typer.Context) -> None:
    """Grade completions in any JSONL file.

    doublings grade FILE.jsonl --benchmark gsm8k --json
    """
    _hand_over("experiments", "grade", *context.args)


def _find(study: str, outputs: Path) -> Any:
    """The study's folder; imported only where it is wanted, as `--help` must not wait."""
    return importlib.import_module("orchestrator.study").find(study, outputs)


def _hand_over(package: str, *arguments: str) -> None:
    raise typer.Exit(subprocess.run([sys.executable, "-m", package, *arguments]).returncode)
