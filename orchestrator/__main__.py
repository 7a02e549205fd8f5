"""The command `doublings`: every verb, and nothing that a verb does."""

import errno
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator import elsewhere
from orchestrator.elsewhere import Outputs, Study
from orchestrator.refusal import Refused
from orchestrator.stages import StageFailed

# Verbs that compose a grid from Hydra overrides.
COMPOSING = ("run", "plan")
# A disk that is full or may not be written to is no mistake of the program's.
OUT_OF_OUR_HANDS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
OVERRIDES = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

app = typer.Typer(
    help="What does each doubling of fine-tuning data buy?\n\n"
    "Declare a study, run it, read the curve: `doublings run experiment=mini`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

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
def gc(
    study: Annotated[str | None, typer.Argument(help="name of a study, or its folder; none: all")] = None,
    outputs: Outputs = Path("outputs"),
    *,
    free: Annotated[bool, typer.Option("--free", help="do it; without it, only show")] = False,
    paid: Annotated[bool, typer.Option("--paid", help="also pools that a model wrote")] = False,
    json: Json = False,
) -> None:
    """What is on disk, by study and kind, and what nobody refers to or keeps; frees that with --free.

    doublings gc mini --free
    """
    raise typer.Exit(_verb("gc").collect(study, outputs, free=free, paid=paid, as_json=json))


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


elsewhere.register(app)


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


if __name__ == "__main__":
    main()
