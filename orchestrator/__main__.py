"""The command `doublings`: every verb, and nothing that a verb does."""

import errno
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.refusal import Refused
from orchestrator.stages import StageFailed

# Verbs that compose a grid from Hydra overrides.
COMPOSING = ("run", "plan")
# A disk that is full or may not be written to is no mistake of the program's.
OUT_OF_OUR_HANDS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
EVERYTHING = {**OVERRIDES, "allow_interspersed_args": True}

app = typer.Typer(
    help="What does each doubling of fine-tuning data buy?\n\n"
    "Declare a study, run it, read the curve: `doublings run experiment=mini`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Study = Annotated[str, typer.Argument(help="name of a study, or its folder")]
Outputs = Annotated[Path, typer.Option(help="where results lie")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout and nothing else there")]


@app.command(context_settings=OVERRIDES)
def run(context: typer.Context) -> None:
    """Make what is missing of a study; takes Hydra overrides.

    doublings run experiment=mini amount=256,512 strategy=queries
    """
    raise typer.Exit(_verb("grids").run(context.args))


@app.command(context_settings=OVERRIDES)
def plan(context: typer.Context) -> None:
    """Show what `run` would make and what it would cost; takes Hydra overrides.

    doublings plan experiment=mini format=json
    """
    raise typer.Exit(_verb("grids").plan(context.args))


@app.command()
def status(
    study: Study,
    outputs: Outputs = Path("outputs"),
    *,
    watch: Annotated[bool, typer.Option("--watch", help="refresh until everything is done")] = False,
    json: Json = False,
) -> None:
    """How far a study is.

    doublings status mini --watch
    """
    verb = _verb("status")
    raise typer.Exit(verb.watch(study, outputs) if watch else verb.show(study, outputs, as_json=json))


@app.command(context_settings={"allow_extra_args": True})
def why(
    study: Study, context: typer.Context, outputs: Outputs = Path("outputs"), *, json: Json = False
) -> None:
    """What a cell is made from, how far it is, and how it differs from its nearest neighbour on disk.

    doublings why mini strategy=queries amount=512 seed=0
    """
    raise typer.Exit(_verb("why").show(study, context.args, outputs, as_json=json))


@app.command(context_settings={"allow_extra_args": True})
def retry(
    study: Study,
    context: typer.Context,
    outputs: Outputs = Path("outputs"),
    *,
    current_code: Annotated[bool, typer.Option(help="run the code as it is now, not as it was")] = False,
) -> None:
    """Try again what failed, all of it or some cells, with the settings and the code of the last run.

    doublings retry mini strategy=queries amount=512
    """
    raise typer.Exit(_verb("retry").retry(study, context.args, outputs, current_code=current_code))


@app.command()
def cancel(study: Study, outputs: Outputs = Path("outputs")) -> None:
    """End the jobs of a study, waiting or running; what is in hand is saved first.

    doublings cancel mini
    """
    raise typer.Exit(_verb("cancel").cancel(study, outputs))


@app.command(context_settings={"allow_extra_args": True})
def doctor(
    context: typer.Context,
    outputs: Outputs = Path("outputs"),
    *,
    wait: Annotated[float, typer.Option(help="seconds for small jobs to report from the nodes")] = 120.0,
    json: Json = False,
) -> None:
    """Is this machine, or the cluster, fit for a study? Takes a study, Hydra overrides, or nothing.

    doublings doctor mini, or before it is run: doublings doctor experiment=mini cluster=slurm
    """
    raise typer.Exit(_verb("doctor").examine(context.args, outputs, wait, as_json=json))


@app.command()
def efficiency(study: Study, outputs: Outputs = Path("outputs"), *, json: Json = False) -> None:
    """What a study asked for against what it used, and better numbers for the next.

    doublings efficiency mini
    """
    raise typer.Exit(_verb("efficiency").show(study, outputs, as_json=json))


@app.command(hidden=True)
def probe(folder: Path) -> None:
    """What a job of `doctor` runs."""
    _verb("probe").look_around(folder)


@app.command(hidden=True)
def work(submission: Path) -> None:
    """What one job of an array runs."""
    _verb("job").work_on_element(_verb("submissions").Submission(submission))


@app.command(hidden=True)
def drive(run: Path) -> None:
    """What the job runs that looks after a study."""
    raise typer.Exit(_verb("drive").drive(run))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def report(study: Study, context: typer.Context, outputs: Outputs = Path("outputs")) -> None:
    """Write the report page of a study anew, with its figures and tables.

    doublings report mini --formats pdf,png --open

    --formats KIND[,KIND]: file formats of the figures, by default pdf,svg,png,pgf

    --open: open the page when it is written

    --json: the answers on stdout, nothing else
    """
    folder = _verb("study").find(study, outputs).root
    _hand_over("analysis", "report", str(folder), *context.args)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def verify(study: Study, context: typer.Context, outputs: Outputs = Path("outputs")) -> None:
    """Prove from the files that subsets nest and nothing changed; overlap of sources, contamination.

    doublings verify mini
    """
    found = _verb("study").find(study, outputs)
    number = found.newest()
    _hand_over(
        "experiments", "verify", str(found.plans / f"{number}.json"), str(found.outputs), *context.args
    )


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def distribution(study: Study, context: typer.Context, outputs: Outputs = Path("outputs")) -> None:
    """How far each pool lies from each benchmark, by amount; the report draws where the queries lie.

    doublings distribution mini --by tsne

    --by pca|tsne: how places in the plane are found

    --features words|sentences|states, --model MODEL: what queries are seen by: TF-IDF, a model of
    sentence-transformers, or the hidden states of a fine-tuned model (the one with the largest amount)

    --json: the tables on stdout, nothing else
    """
    found = _verb("study").find(study, outputs)
    plan = str(found.plans / f"{found.newest()}.json")
    _hand_over("experiments", "distribution", plan, str(found.outputs), *context.args)


@app.command(context_settings=EVERYTHING)
def fit(context: typer.Context) -> None:
    """Fit accuracy against amount on any tidy table, without a study.

    doublings fit TABLE.csv --amount n --value accuracy --by model --percent
    """
    _hand_over("analysis", "fit", *context.args)


@app.command(context_settings=EVERYTHING)
def power(context: typer.Context) -> None:
    """How many seeds, amounts and test items find a difference of slopes; which run says most next.

    doublings power mini --difference 0.5
    """
    source, *options = context.args or [""]
    if source and not source.startswith("-") and not Path(source).is_file():
        source = str(_verb("study").find(source, Path("outputs")).root)
    _hand_over("analysis", "power", *([source] if source else []), *options)


@app.command(context_settings=EVERYTHING)
def grade(context: typer.Context) -> None:
    """Grade completions in any JSONL file.

    doublings grade FILE.jsonl --benchmark gsm8k --json
    """
    _hand_over("experiments", "grade", *context.args)


def main() -> None:
    """Run the command line; a refusal is one sentence on stderr and exit code 2."""
    arguments = sys.argv[1:]
    try:
        if "-sc" in arguments or "--shell-completion" in arguments:
            # The shell asks for completions; where the verb stands only the line itself tells.
            sys.exit(_completions(arguments))
        app(arguments, prog_name="doublings")
    except Refused as refusal:
        sys.stderr.write(f"doublings: {refusal}\n")
        sys.exit(2)
    except StageFailed as failure:
        sys.stderr.write(f"doublings: {failure.message} ({failure.cause})\n{failure.traceback}")
        sys.exit(1)
    except OSError as error:
        if error.errno not in OUT_OF_OUR_HANDS:
            raise
        sys.stderr.write(f"doublings: {error}; what is complete is kept: mend that and run again\n")
        sys.exit(1)


def _completions(arguments: list[str]) -> int:
    verbs = [
        command.name or command.callback.__name__
        for command in app.registered_commands
        if command.callback and not command.hidden
    ]
    asked = [argument for argument in arguments if argument not in verbs]
    complete: Callable[..., int] = _verb("compose").complete
    return complete(asked, verbs, COMPOSING)


def _verb(module: str) -> Any:
    """The module behind a verb, imported only when it is wanted: `--help` must not wait for Hydra."""
    return importlib.import_module(f"orchestrator.{module}")


def _hand_over(package: str, *arguments: str) -> None:
    """A verb that belongs to another room runs there, as a command."""
    raise typer.Exit(subprocess.run([sys.executable, "-m", package, *arguments]).returncode)


if __name__ == "__main__":
    main()
