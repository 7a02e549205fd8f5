"""The verb `status`: how far a study is, from the files alone."""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.ledger import Ledger, State
from orchestrator.study import StudyFolder, artifacts_of, cell_state, find

REFRESH = 1.0
# Jobs take a moment to start, and to go from one artifact to the next.
PATIENCE = 20.0


def show(study: str, outputs: Path, *, as_json: bool) -> int:
    """Print it once; 0 if every cell is complete, 1 otherwise."""
    known = read(find(study, outputs))
    if as_json:
        sys.stdout.write(json.dumps(known, indent=1) + "\n")
    else:
        Console().print(table(known))
    return 0 if known["cells"].get("complete", 0) == known["n_cells"] else 1


def watch(study: str, outputs: Path) -> int:
    """Refresh until nothing is left to do or nobody does it."""
    found = find(study, outputs)
    idle_since: float | None = None
    with Live(console=Console(), auto_refresh=False) as live:
        while True:
            known = read(found)
            live.update(table(known), refresh=True)
            idle_since = None if known["running"] else idle_since or time.monotonic()
            if _over(known) or (idle_since and time.monotonic() - idle_since > PATIENCE):
                return 0 if known["cells"].get("complete", 0) == known["n_cells"] else 1
            try:
                time.sleep(REFRESH)
            except KeyboardInterrupt:
                return 1


def read(study: StudyFolder) -> dict[str, Any]:
    """States of cells and artifacts, what runs, and why what failed did."""
    newest = study.latest()
    assert newest is not None, "find() returns studies with a plan"
    number, document = newest
    artifacts = artifacts_of(document)
    ledger = Ledger.at(study.outputs)
    states = ledger.states(artifacts)
    live = ledger.leases.live()
    kinds: dict[str, Counter[str]] = {}
    for key, artifact in artifacts.items():
        kinds.setdefault(artifact.kind, Counter())[str(states[key])] += 1
    failures = [ledger.failures.of(key) for key, state in states.items() if state == State.FAILED]
    return {
        "study": study.name,
        "plan": number,
        "n_cells": len(document["cells"]),
        "cells": dict(Counter(str(cell_state(cell, states)) for cell in document["cells"])),
        "artifacts": {kind: dict(counts) for kind, counts in kinds.items()},
        "running": [_running(live[key]) for key in artifacts if key in live],
        "failures": [_failure(failure) for failure in failures if failure],
    }


def table(known: dict[str, Any]) -> Table:
    """The same for people."""
    drawn = Table(title=f"study '{known['study']}', plan {known['plan']}", title_justify="left")
    drawn.add_column("")
    for state in State:
        drawn.add_column(str(state), justify="right")
    counts = {"cells": known["cells"], **known["artifacts"]}
    for name, by_state in counts.items():
        drawn.add_row(
            name, *(str(by_state.get(str(state), "")) for state in State), end_section=name == "cells"
        )
    lines = [f"runs: {job['kind']} {job['label']} ({job['progress']:.0%})" for job in known["running"]]
    lines += [f"failed: {why['label']}: {why['cause']}: {why['message']}" for why in known["failures"]]
    drawn.caption = Text("\n".join(lines))
    drawn.caption_justify = "left"
    return drawn


def _over(known: dict[str, Any]) -> bool:
    """Nothing is left that anybody could make."""
    lost = ("complete", "failed", "blocked")
    return sum(known["cells"].get(state, 0) for state in lost) == known["n_cells"] and not known["running"]


def _running(holder: dict[str, Any]) -> dict[str, Any]:
    names = ("kind", "label", "host", "pid", "claimed", "run")
    return {**{name: holder[name] for name in names}, "progress": holder.get("progress", 0.0)}


def _failure(failure: dict[str, Any]) -> dict[str, Any]:
    return {name: failure[name] for name in ("kind", "label", "cause", "message", "log", "attempts")}
