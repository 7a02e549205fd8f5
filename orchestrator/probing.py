"""Sends small jobs to the nodes that a study would run on, and waits for what they report."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import slurm, slurm_jobs
from orchestrator.files import read_json, tail, write_json
from orchestrator.offer_checks import Shape, gpus
from orchestrator.refusal import Refused
from orchestrator.settings import Resources, SlurmCluster
from orchestrator.submit import Script, submit_slurm

POLL = 0.5
# The queue is everybody's, and long; it is looked at less often than the answers.
LOOK_EVERY = 5.0
# A shared file system may show a file that late after the job that wrote it has ended.
LATE = 10.0
# What a probe asks for: enough to import torch.
MEMORY_GIB = 2.0
MINUTES = 10.0
NAME = "doublings-doctor"


@dataclass(frozen=True)
class Report:
    """What became of a probe."""

    shape: Shape
    answer: Mapping[str, Any] | None = None  # see `probe.look_around`
    trouble: str = ""  # why there is none
    waiting: bool = False  # the job had not begun when patience ended


@dataclass(frozen=True)
class Mission:
    """What probes have in common."""

    cluster: SlurmCluster
    folder: Path  # on the shared file system; each probe has one below
    code: Path
    python: str  # that runs us
    sources: Sequence[Mapping[str, Any]]


def send(mission: Mission, shapes: Sequence[Shape], patience: float) -> list[Report]:
    """One job for each shape, and at most so many seconds for all; none of them stays in the queue.

    Raises slurm.SlurmSilent where Slurm does not answer.
    """
    probes = [_Probe(mission, shape, mission.folder / str(number)) for number, shape in enumerate(shapes)]
    try:
        for probe in probes:
            probe.submit()
        begun = looked = time.monotonic()
        while waiting := [probe for probe in probes if not probe.answered()]:
            if time.monotonic() - looked > LOOK_EVERY:
                looked = time.monotonic()
                entries = {entry.job_id: entry for entry in slurm.queue()}
                for probe in waiting:
                    probe.look(entries.get(probe.job_id), late=looked - begun > patience)
            time.sleep(POLL)
    finally:
        with suppress(slurm.SlurmSilent):
            slurm_jobs.cancel([probe.job_id for probe in probes if probe.job_id and probe.unanswered])
    return [probe.report for probe in probes if probe.report is not None]


class _Probe:
    """One job, from its submission to its report."""

    def __init__(self, mission: Mission, shape: Shape, folder: Path) -> None:
        self.mission = mission
        self.shape = shape
        self.folder = folder
        self.job_id = ""
        self.report: Report | None = None
        self._ended_at: float | None = None

    @property
    def unanswered(self) -> bool:
        """Whether its job may still be there."""
        return self.report is None or self.report.answer is None

    def submit(self) -> None:
        """Ask the question; where Slurm does not take the job, that is the report."""
        question = {
            "code": str(self.mission.code),
            "python": self.shape.resources.python,
            "gpus": gpus(self.shape.resources),
            "sources": list(self.mission.sources),
        }
        write_json(self.folder / "question.json", question)
        try:
            self.job_id = submit_slurm(self._script(), self.mission.cluster)
        except (Refused, slurm_jobs.SlurmFull) as trouble:
            self.report = Report(self.shape, trouble=str(trouble))

    def answered(self) -> bool:
        """Whether there is a report, which the answer is as soon as it can be seen."""
        answer = self.folder / "answer.json"
        if self.report is None and answer.exists():
            self.report = Report(self.shape, read_json(answer))
        return self.report is not None

    def look(self, entry: slurm.Entry | None, *, late: bool) -> None:
        """See what the queue says of the job, None if it is no longer there."""
        if entry is None or not entry.live:
            self._ended_at = self._ended_at or time.monotonic()
            if time.monotonic() - self._ended_at > LATE:
                self.report = Report(self.shape, trouble=self._last_words(entry))
        elif late:
            waiting = entry.state == "PENDING"
            told = f"still waits ({entry.reason})" if waiting else f"is {entry.state} on {entry.nodes}"
            self.report = Report(self.shape, trouble=f"job {self.job_id} {told}", waiting=waiting)

    def _last_words(self, entry: slurm.Entry | None) -> str:
        """What is known of a job that ended without an answer."""
        end = f"{entry.state} on {entry.nodes or 'no node'}" if entry else "and left the queue"
        said = "\n".join(tail(log) for log in sorted(self.folder.glob("*.out"))).strip()
        last = said.splitlines()[-1] if said else "no log, so the node does not see the folder or lacks srun"
        return f"job {self.job_id} ended {end}: {last}"

    def _script(self) -> Script:
        command = [self.mission.python, "-m", "orchestrator", "probe", str(self.folder)]
        return Script(
            folder=self.folder,
            name=NAME,
            resources=smaller(self.shape.resources),
            command=command,
            code=str(self.mission.code),
            n_elements=1,  # as the study's own jobs: by srun
        )


def distinct(shapes: Sequence[Shape]) -> list[Shape]:
    """One shape for each kind of node and of Python, with all the stages that it stands for."""
    found: dict[str, Shape] = {}
    for shape in shapes:
        place = smaller(shape.resources).model_dump_json()
        stages = found[place].stages if place in found else ()
        found[place] = Shape(tuple(dict.fromkeys((*stages, *shape.stages))), shape.resources)
    return list(found.values())


def smaller(resources: Resources) -> Resources:
    """The same place for a moment: one node, one processor, no more than one GPU."""
    changes: dict[str, Any] = {
        "cpus": 1,
        "nodes": 1,
        "gpus": min(resources.gpus, 1),
        "gres": re.sub(r":\d+(?=[,(]|$)", ":1", resources.gres) if resources.gres else None,
        "memory_gib": min(resources.memory_gib, MEMORY_GIB),
        "minutes": min(resources.minutes, MINUTES),
    }
    return resources.model_copy(update=changes)
