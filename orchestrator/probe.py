"""What a probe's job does: look around on a node, and write what it sees into the shared folder."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator import slurm, slurm_jobs
from orchestrator.files import read_json, write_json
from orchestrator.refusal import Refused
from orchestrator.stages import StageFailed, StageProcess, stage_environment


def look_around(folder: Path) -> None:
    """Answer the `question.json` of a folder by its `answer.json`; without a sign of it the node is blind."""
    question = read_json(folder / "question.json")
    devices = os.environ.get("CUDA_VISIBLE_DEVICES", "") if question["gpus"] else None
    answer = {
        "node": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        "clock_ahead": clock_ahead(folder),
        "free_bytes": shutil.disk_usage(folder).free,
        "stage": stage_answer(Path(question["code"]), question["python"], question["sources"], devices),
        "queue": _heard(lambda: slurm.ask(["squeue", "-h", "-u", slurm.user()])),
        "submission": _heard(lambda: slurm_jobs.would_start(folder / "submission.sh")),
    }
    write_json(folder / "answer.json", answer)


def clock_ahead(folder: Path) -> float:
    """Seconds that this machine's clock is ahead of that of the file system."""
    mark = folder / f".clock.{socket.gethostname()}.{os.getpid()}"
    before = time.time()
    mark.write_text("")
    after = time.time()
    try:
        return (before + after) / 2 - mark.stat().st_mtime
    finally:
        mark.unlink()


def stage_answer(
    code: Path, python: str | None, sources: Sequence[Mapping[str, Any]], devices: str | None
) -> dict[str, Any]:
    """What a stage says of itself, started as workers do it; `failed` has a sentence if it does not start.

    `devices` are as CUDA_VISIBLE_DEVICES has them; None: GPUs are not asked about.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        try:
            with StageProcess(stage_environment(code, 1, devices), log, python) as stage:
                answer: dict[str, Any] = stage.ask({"ask": "environment", "sources": list(sources)})
                answer["gpus"] = None if devices is None else stage.ask({"ask": "gpus"})
        except (StageFailed, Refused, OSError) as error:
            log.seek(0)
            said = log.read().strip().splitlines()
            return {"failed": f"{error}: {said[-1]}" if said else str(error)}
    return answer


def _heard(ask: Callable[[], object]) -> str | None:
    """None where Slurm answered, else what was in the way."""
    try:
        ask()
    except (slurm.SlurmSilent, slurm_jobs.SlurmFull, Refused) as trouble:
        return str(trouble)
    return None
