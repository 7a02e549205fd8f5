"""The verb `efficiency`: what a study asked for against what it used, and better numbers for the next."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator import advice, usage
from orchestrator.advice import Group
from orchestrator.identity import ALWAYS, Kind
from orchestrator.note import read_note
from orchestrator.progress import duration
from orchestrator.refusal import Refused
from orchestrator.saved import Saved
from orchestrator.settings import LocalCluster, SlurmCluster
from orchestrator.study import find
from orchestrator.usage import Made, Usage


def show(name: str, outputs: Path, *, as_json: bool) -> int:
    """Print it. Raises Refused for a study of which nothing was made yet."""
    study = find(name, outputs)
    run = study.newest_run()
    known = usage.of(Saved.newest(study))
    if run is None or not known.jobs:
        raise Refused(f"nothing of '{study.name}' was made by its own runs yet: look again when it has begun")
    report = _report(study.name, known, read_note(study.jobs(run)).settings.cluster)
    if as_json:
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        _print(report)
    return 0


def _report(study: str, known: Usage, cluster: LocalCluster | SlurmCluster) -> dict[str, Any]:
    found = advice.groups(known.jobs)
    stages = advice.by_stage(known.jobs)
    target = cluster.target_minutes if cluster.kind == "slurm" else 0.0
    changes = {group.stages: advice.better(group, target) for group in found}
    every = [one for made in stages.values() for one in made]
    further = {"flops_per_second": advice.flops_per_second(every, cluster.flops_per_second)}
    if cluster.kind == "slurm":
        further["target_minutes"] = advice.target_minutes(found, target)
    return {
        "study": study,
        "cluster": cluster.name,
        "jobs": [_job_row(group, changes[group.stages]) for group in found],
        "stages": {kind: _stage_row(made) for kind, made in stages.items()},
        "made_elsewhere": known.n_elsewhere,
        "accounting": known.silence,
        "overrides": _overrides(changes, {name: value for name, value in further.items() if value}, cluster),
    }


def _job_row(group: Group, better: Mapping[str, float]) -> dict[str, Any]:
    waited = group.waited
    return {
        "stages": list(group.stages),
        "n_jobs": len(group.jobs),
        "minutes": group.most_asked("minutes"),
        "longest_minutes": group.longest / 60 if group.longest is not None else None,
        "memory_gib": group.most_asked("memory_gib"),
        "peak_gib": group.peak_bytes / 2**30,
        "cpus": group.most_asked("cpus"),
        "busy_cpus": group.processors,
        "gpus": group.most_asked("gpus"),
        "gpu_percent": group.gpu_percent,
        "median_wait_seconds": waited[0] if waited else None,
        "longest_wait_seconds": waited[1] if waited else None,
        "start_share": group.start_share,
        "next": dict(better),
    }


def _stage_row(made: Sequence[Made]) -> dict[str, Any]:
    predicted = sum(one.predicted for one in made)
    measured = sum(one.seconds for one in made)
    return {
        "n": len(made),
        "predicted_seconds": predicted,
        "measured_seconds": measured,
        "factor": measured / predicted if predicted else None,
        "longest_seconds": max(one.seconds for one in made),
        "peak_gib": max(one.peak_bytes for one in made) / 2**30,
        "busy_cpus": sum(one.cpu_seconds for one in made) / max(measured, 1e-9),
    }


def _overrides(
    changes: Mapping[tuple[Kind, ...], Mapping[str, float]],
    further: Mapping[str, float],
    cluster: LocalCluster | SlurmCluster,
) -> list[str]:
    """As they may be pasted behind `doublings run`; `++` also adds a stage that the file does not name."""
    found = []
    special = cluster.kind == "slurm" and cluster.stages  # these would win over what is said of all
    for name in ("cpus", "memory_gib", "minutes"):
        wished = {kind: better.get(name) for stages, better in changes.items() for kind in stages}
        of_all = set(wished.values())
        if not special and len(of_all) == 1 and set(wished) >= ALWAYS and None not in of_all:
            found.append(f"cluster.resources.{name}={of_all.pop():g}")
        else:
            found += [
                f"++cluster.stages.{kind}.{name}={value:g}"
                for kind, value in wished.items()
                if value is not None
            ]
    return found + [f"cluster.{name}={_number(value)}" for name, value in further.items()]


def _number(value: float) -> str:
    return f"{value:.1e}" if value >= 1e6 else f"{value:g}"


def _print(report: Mapping[str, Any]) -> None:
    console = Console(highlight=False)
    console.print(_jobs_table(report))
    console.print(_stages_table(report["stages"]))
    notes = []
    if report["accounting"]:
        notes.append(
            f"no accounting ({report['accounting']}): times and memory are those that manifests hold"
        )
    if report["made_elsewhere"]:
        notes.append(
            f"{report['made_elsewhere']} more artifacts were made by other studies and are not counted"
        )
    notes.append(f"next: {advice.MARGINS}" if report["overrides"] else "nothing to change")
    for note in notes:
        console.print(note, soft_wrap=True, markup=False)
    if report["overrides"]:
        console.print(" ".join(report["overrides"]), soft_wrap=True, markup=False, style="bold")


def _jobs_table(report: Mapping[str, Any]) -> Table:
    """Every cell: asked -> used -> next, where there is something to say."""
    title = f"study '{report['study']}' on cluster '{report['cluster']}': asked -> used -> next"
    drawn = Table(title=title, title_justify="left")
    headings = ("jobs that make", "jobs", "minutes", "GiB", "CPUs", "GPUs", "queue", "starting")
    for heading in headings:
        drawn.add_column(heading)
    for row in report["jobs"]:
        gpus = "" if not row["gpus"] else f"{row['gpus']} -> {_or_unknown(row['gpu_percent'], '{} %')}"
        wait = "" if row["median_wait_seconds"] is None else duration(row["median_wait_seconds"])
        drawn.add_row(
            ", ".join(row["stages"]),
            str(row["n_jobs"]),
            _way(row, "minutes", _or_unknown(row["longest_minutes"], "{:.1f}")),
            _way(row, "memory_gib", f"{row['peak_gib']:.2f}"),
            _way(row, "cpus", f"{row['busy_cpus']:.1f}"),
            gpus,
            wait,
            _or_unknown(row["start_share"], "{:.0%}"),
        )
    return drawn


def _stages_table(stages: Mapping[Kind, Mapping[str, Any]]) -> Table:
    drawn = Table(title="artifacts: predicted and measured", title_justify="left")
    drawn.add_column("stage")
    for heading in ("made", "predicted", "measured", "factor", "longest", "peak (GiB)", "CPUs busy"):
        drawn.add_column(heading, justify="right")
    for kind, row in stages.items():
        drawn.add_row(
            kind,
            str(row["n"]),
            duration(row["predicted_seconds"]),
            duration(row["measured_seconds"]),
            _or_unknown(row["factor"], "{:.2f}"),
            duration(row["longest_seconds"]),
            f"{row['peak_gib']:.2f}",
            f"{row['busy_cpus']:.1f}",
        )
    return drawn


def _way(row: Mapping[str, Any], name: str, used: str) -> str:
    """Asked, used, next; on this machine nothing is asked for, and what was right is not said again."""
    asked = "" if row[name] is None else f"{row[name]:g} -> "
    return f"{asked}{used}" + (f" -> {row['next'][name]:g}" if name in row["next"] else "")


def _or_unknown(value: float | None, text: str) -> str:
    """Missing is not zero."""
    return "?" if value is None else text.format(value)
