"""The verbs `run` and `plan`: from a composed grid to work, or to a page on what it would be."""

import json
import sys
from collections.abc import Sequence

from rich.console import Console

from orchestrator import check, compose, plan_page
from orchestrator import run as runs
from orchestrator.prepare import Prepared, prepare


def run(arguments: Sequence[str]) -> int:
    """`doublings run`: make what is missing."""

    def make(grid: compose.Grid) -> int:
        prepared = _prepared(grid)
        try:
            return runs.run(prepared, Console())
        except OSError as error:
            # Writing says what is wrong, and not where.
            raise OSError(error.errno, error.strerror, error.filename or str(prepared.outputs)) from error

    return compose.run(arguments, make)


def plan(arguments: Sequence[str]) -> int:
    """`doublings plan`: nothing is written; with format=json stdout has JSON only."""

    def show(grid: compose.Grid) -> int:
        prepared = _prepared(grid)
        if prepared.settings.format == "json":
            json.dump(prepared.document(), sys.stdout)
            sys.stdout.write("\n")
        else:
            plan_page.show(prepared, Console())
        return 0

    return compose.run(arguments, show)


def _prepared(grid: compose.Grid) -> Prepared:
    settings = check.settings(grid.settings)
    return prepare(settings, check.cells(grid.points), grid.notes)
