"""Looks at this machine: folder of results, free space, Python of the stages, data, GPUs, processors."""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from orchestrator import disk, report_checks
from orchestrator.findings import Finding
from orchestrator.local import devices
from orchestrator.probe import clock_ahead, stage_answer
from orchestrator.settings import LocalCluster
from orchestrator.snapshot import ROOT
from orchestrator.subject import Subject


@dataclass(frozen=True)
class Here:
    """What was seen on this machine."""

    findings: tuple[Finding, ...]
    stage: Mapping[str, Any]  # see `probe.stage_answer`
    clock_ahead: float  # of the file system's; 0.0 where nothing can be written


def look(subject: Subject, folder: Path | None) -> Here:
    """`folder`: a place for files of this examination; None where outputs are not writable."""
    cluster, plan = subject.settings.cluster, subject.plan
    sources = plan.sources if plan else []
    local = cluster if cluster.kind == "local" else None
    visible = ",".join(devices(local.gpus)) if local and local.gpus else None
    stage = stage_answer(ROOT, None, sources, visible)
    found: list[Finding] = []
    if folder is not None:
        found.append(Finding("outputs", f"{subject.outputs} is writable from here"))
        needed = plan.needed_bytes if plan else None
        found.append(disk.judge("free space", shutil.disk_usage(folder).free, needed))
    found.append(report_checks.stage("Python here", stage, None))
    found += report_checks.data("data here", stage, len(sources))
    if local:
        found += report_checks.gpus("GPUs here", stage, local.gpus)
        found.append(_processors(local))
    return Here(tuple(found), stage, clock_ahead(folder) if folder else 0.0)


@contextmanager
def folder_for(outputs: Path) -> Iterator[Path]:
    """A folder of our own below the outputs, gone afterwards with all that was made for it.

    Raises OSError where nothing can be written there.
    """
    missing = [place for place in (outputs, *outputs.parents) if not place.exists()]
    folder = outputs / f".doctor-{os.getpid()}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True)
        (folder / "mark").write_text("")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for place in missing:
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()


def _processors(cluster: LocalCluster) -> Finding:
    """Threads that wait for each other cost more than they bring."""
    asked, there = cluster.workers * cluster.threads, psutil.cpu_count() or 1
    told = f"{cluster.workers} workers of {cluster.threads} threads on {there} processors"
    if asked <= there:
        return Finding("processors", told)
    return Finding("processors", told, "warn", f"cluster.workers={max(there // cluster.threads, 1)}")
