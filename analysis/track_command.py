"""The command `track`: copies what is complete of a study to a tracker, once each, now or as it comes."""

import time
from pathlib import Path
from typing import Annotated

import typer

from analysis.replay import complete_runs, n_left
from analysis.study import read_study
from analysis.terminal import stdout
from analysis.trackers import TRACKERS, Tracker
from orchestrator.files import read_json, write_json
from orchestrator.refusal import Refused

EXAMPLE = "Example: doublings track mini --to tensorboard --watch"


def track_command(
    study: Annotated[Path, typer.Argument(help="The study's folder, <outputs>/studies/<name>.")],
    *,
    to: Annotated[str, typer.Option(metavar="TRACKER", help=f"{', '.join(TRACKERS)}.")],
    watch: Annotated[bool, typer.Option("--watch", help="Go on until every cell is there.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks, with --watch.")] = 30.0,
) -> None:
    """Copy the course and the results of finished cells to a tracker; what was copied is not copied again.

    Training knows nothing of it, and nothing is ever read back. Servers and keys are told by the environment,
    as the tracker has it.
    """
    if to not in TRACKERS:
        raise Refused(f"no tracker {to!r}: there is {', '.join(TRACKERS)}")
    module = TRACKERS[to].loaded()
    while True:
        written, left = copy_new(study, to, TRACKERS[to], module)
        if written or not watch:
            stdout().print(f"{written} runs written to {to}, {left} of the study are yet to come")
        if not watch or not left:
            return
        time.sleep(every)


def copy_new(folder: Path, name: str, tracker: Tracker, module: object) -> tuple[int, int]:
    """Write the runs that are complete and not in the tracker's book; how many, and how many are to come."""
    study = read_study(folder)
    place = study.folder.root / "tracking" / name
    book = place.with_suffix(".json")
    known: list[str] = read_json(book) if book.exists() else []
    n_before = len(known)
    for run in complete_runs(study, frozenset(known)):
        tracker.take(module, run, place)
        known.append(run.key)
        write_json(book, known)
    return len(known) - n_before, n_left(study, frozenset(known))
