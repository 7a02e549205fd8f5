"""The small job that looks after a study when nobody does: how it is submitted, and found again."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator import slurm
from orchestrator.note import Note
from orchestrator.settings import Driver, SlurmCluster
from orchestrator.study import StudyFolder
from orchestrator.submit import Script, submit_slurm


def start_driver(note: Note, cluster: SlurmCluster) -> str | None:
    """Submit the driver of a run, not to begin before its time; its id, None where there shall be none."""
    if cluster.driver is None:
        return None
    return submit_slurm(_script(note, cluster, cluster.driver), cluster)


def drivers(study: StudyFolder, entries: Sequence[slurm.Entry], run: str = "") -> list[str]:
    """The ids of a study's drivers that wait or run; of one run only, where one is named."""
    prefix = f"{_name(study)}.{run}"
    return [entry.job_id for entry in entries if entry.live and entry.name.startswith(prefix)]


def _script(note: Note, cluster: SlurmCluster, driver: Driver) -> Script:
    changes: dict[str, Any] = {
        "cpus": 1,
        "gpus": 0,
        "nodes": 1,
        "gres": None,
        "constraint": None,
        "memory_gib": driver.memory_gib,
        "minutes": driver.minutes,
        "partition": driver.partition or cluster.resources.partition,
        "qos": driver.qos or cluster.resources.qos,
    }
    return Script(
        folder=note.folder / "driver",
        name=f"{_name(StudyFolder(Path(note.outputs), note.study))}.{note.run}",
        resources=cluster.resources.model_copy(update=changes),
        command=[note.python, "-m", "orchestrator", "drive", str(note.folder)],
        code=note.code,
        begin=f"now+{round(driver.every_minutes * 60)}",
    )


def _name(study: StudyFolder) -> str:
    """Studies of one name in different folders are different studies."""
    place = hashlib.blake2b(str(study.root).encode(), digest_size=4).hexdigest()
    return f"doublings-driver.{study.name}.{place}"
