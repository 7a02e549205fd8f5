"""The verb `status`: how far a study is, for people and for machines."""

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.identity import KINDS
from orchestrator.ledger import State
from orchestrator.progress import duration
from orchestrator.saved import Saved
from orchestrator.situation import Queue, Situation, situation
from orchestrator.study import find

REFRESH = 2.0
# Jobs take a moment to start, and to go from one artifact to the next.
PATIENCE = 20.0
STATES = (*(str(state) for state in State), "queued")
# More lines than this push everything else off the screen.
AT_MOST = 8


def show(study: str, outputs: Path, *, as_json: bool) -> int:
    """Print it once; 0 if every cell is complete, 1 otherwise."""
    known = situation(Saved.newest(find(study, outputs)))
    if as_json:
        sys.stdout.write(json.dumps(as_document(known), indent=1) + "\n")
    else:
        Console().print(page(known))
    return 0 if known.complete else 1


def watch(study: str, outputs: Path) -> int:
    """Refresh until nothing is left to do or nobody does it."""
    found = find(study, outputs)
    saved = Saved.newest(found)
    idle_since: float | None = None
    with Live(console=Console(), auto_refresh=False) as live:
        while True:
            if found.newest() != saved.number:
                saved = Saved.newest(found)
            known = situation(saved)
            live.update(page(known), refresh=True)
            busy = known.running or (
                known.queue and (known.queue.jobs or known.queue.silence or known.queue.driver)
            )
            idle_since = None if busy else idle_since or time.monotonic()
            if _over(known) or (idle_since and time.monotonic() - idle_since > PATIENCE):
                return 0 if known.complete else 1
            try:
                time.sleep(REFRESH)
            except KeyboardInterrupt:
                return 1


def as_document(known: Situation) -> dict[str, Any]:
    """For machines."""
    queue = known.queue
    return {
        "study": known.saved.study.name,
        "plan": known.saved.number,
        "n_cells": sum(known.cells.values()),
        "cells": dict(known.cells),
        "artifacts": {kind: dict(counts) for kind, counts in known.artifacts.items()},
        "running": [_running(holder) for holder in known.running],
        "n_evicted": known.n_evicted,
        "failures": [_failure(failure) for failure in known.failures],
        "queue": queue
        and {
            "jobs": dict(queue.jobs),
            "reasons": dict(queue.reasons),
            "ahead": queue.ahead,
            "driver": queue.driver,
            "silence": queue.silence,
        },
        "cells_last_hour": known.cells_last_hour,
        "seconds_left": known.seconds_left,
        f"{known.device.lower()}_hours": {"used": known.device_hours_used, "left": known.device_hours_left},
    }


def page(known: Situation) -> Group:
    """The same for people."""
    drawn = Table(title=f"study '{known.saved.study.name}', plan {known.saved.number}", title_justify="left")
    drawn.add_column("", no_wrap=True)
    for state in STATES:
        drawn.add_column(state, justify="right")
    rows = {"cells": known.cells}
    rows |= {str(kind): known.artifacts[kind] for kind in KINDS if kind in known.artifacts}
    for name, by_state in rows.items():
        counts = (str(by_state.get(state, "")) for state in STATES)
        drawn.add_row(name, *counts, end_section=name == "cells")
    lines = [
        Text(line) for line in (*_pace(known), *_evicted(known), *_queue(known.queue), *_runs(known.running))
    ]
    lines += [Text(line, style="red") for line in _failed(known.failures)]
    return Group(drawn, *lines)


def _pace(known: Situation) -> list[str]:
    parts = [f"{known.cells_last_hour} cells an hour"] if known.cells_last_hour else []
    if known.seconds_left:
        parts.append(f"about {duration(known.seconds_left)} left")
    hours = f"{known.device_hours_used:.2g} {known.device}-hours used, {known.device_hours_left:.2g} to come"
    parts.append(f"about {hours}")
    return ["; ".join(parts)]


def _evicted(known: Situation) -> list[str]:
    if not known.n_evicted:
        return []
    return [f"the weights of {known.n_evicted} checkpoints were evicted: good for the records there are"]


def _queue(queue: Queue | None) -> list[str]:
    if queue is None:
        return []
    if queue.silence:
        return [f"Slurm does not answer ({queue.silence}): what is queued is not known"]
    jobs = ", ".join(f"{count} {state}" for state, count in queue.jobs.items()) or "no jobs"
    reasons = ", ".join(f"{count} {reason}" for reason, count in queue.reasons.items())
    ahead = f"; {queue.ahead} jobs of others stand before ours" if queue.ahead else ""
    looked_after = "looked after by a driver" if queue.driver else "no driver"
    return [f"Slurm: {jobs}{f' (waiting: {reasons})' if reasons else ''}{ahead}; {looked_after}"]


def _runs(running: tuple[Mapping[str, Any], ...]) -> list[str]:
    lines = [
        f"runs: {holder['kind']} {holder['label']} ({holder.get('progress', 0.0):.0%})"
        for holder in running[:AT_MOST]
    ]
    return [*lines, f"... and {len(running) - AT_MOST} more run"] if len(running) > AT_MOST else lines


def _failed(failures: tuple[Mapping[str, Any], ...]) -> list[str]:
    """Counts by cause, then the first of each in full."""
    causes = Counter(failure["cause"] for failure in failures)
    lines = []
    for cause, count in causes.most_common(AT_MOST):
        first = next(failure for failure in failures if failure["cause"] == cause)
        lines.append(f"failed: {count} x {cause}, such as {first['label']}: {first['message']}")
        lines.append(f"  {first['advice']}; log: {first['log']}")
    return lines


def _over(known: Situation) -> bool:
    """Nothing is left that anybody could make."""
    lost = ("complete", "failed", "blocked")
    done = sum(known.cells.get(state, 0) for state in lost) == sum(known.cells.values())
    return done and not known.running


def _running(holder: Mapping[str, Any]) -> dict[str, Any]:
    names = ("kind", "label", "host", "pid", "job", "claimed", "run")
    return {**{name: holder.get(name) for name in names}, "progress": holder.get("progress", 0.0)}


def _failure(failure: Mapping[str, Any]) -> dict[str, Any]:
    names = ("kind", "label", "cause", "message", "advice", "log", "job", "node", "attempts")
    return {name: failure.get(name) for name in names}
