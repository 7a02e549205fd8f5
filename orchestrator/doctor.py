"""The verb `doctor`: is this machine, or the cluster behind it, fit for a study?"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from orchestrator import cluster_checks, compose, findings, machine_checks
from orchestrator.findings import Finding
from orchestrator.refusal import Refused
from orchestrator.subject import Subject, completed, of_grid, of_study


def examine(arguments: Sequence[str], outputs: Path, patience: float, *, as_json: bool) -> int:
    """Look at a study on disk, at what overrides describe, or at the cluster here; 1 if a line is red.

    `patience`: seconds that jobs of ours may take to report from the nodes; with 0 none are sent.
    """
    names = [argument for argument in arguments if "=" not in argument]
    if names and len(arguments) > 1:
        raise Refused(
            f"doctor {' '.join(arguments)}: give one study, whose last settings are looked at, or overrides "
            "alone (doctor experiment=mini cluster=slurm)"
        )

    def show(subject: Subject) -> int:
        found = [*subject.found, *_examined(subject, patience)]
        if as_json:
            sys.stdout.write(json.dumps(findings.as_json(found), indent=1) + "\n")
        else:
            title = f"doctor: cluster '{subject.settings.cluster.name}', outputs {subject.outputs}"
            Console().print(findings.table(title, found))
        return 1 if findings.worst(found) == "bad" else 0

    if names:
        return show(of_study(names[0], outputs))
    return compose.run(completed(arguments, outputs), lambda grid: show(of_grid(grid, arguments)))


def _examined(subject: Subject, patience: float) -> Iterator[Finding]:
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(machine_checks.folder_for(subject.outputs))
        except OSError as error:
            folder = None
            remedy = "choose a folder that you may write to with outputs=PATH"
            yield Finding("outputs", f"{subject.outputs} is not writable: {error.strerror}", "bad", remedy)
        yield from _looked(subject, folder, patience)


def _looked(subject: Subject, folder: Path | None, patience: float) -> Iterator[Finding]:
    here = machine_checks.look(subject, folder)
    yield from here.findings
    cluster = subject.settings.cluster
    if cluster.kind == "slurm":
        site = cluster_checks.Site.of(cluster, subject.plan, patience)
        yield from cluster_checks.look(site, folder, here)
