"""What the jobs of one run are told, in a file beside their logs."""

from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from orchestrator.files import read_json, write_json
from orchestrator.pace import Pace, declared
from orchestrator.settings import Settings
from orchestrator.specs import Spec
from orchestrator.study import StudyFolder


class Note(Spec):
    """A run: its study and plan, how its jobs run, and the code that they run."""

    model_config = ConfigDict(frozen=True, strict=False, extra="forbid")

    run: str
    outputs: str
    study: str
    plan: int
    settings: Settings
    order: tuple[str, ...]  # keys to make, most urgent first; on a cluster each job has its own
    devices: tuple[str, ...]  # GPUs of this machine, one for each of the first slots
    python: str  # that runs the jobs
    code: str
    pace: Pace | None = None  # by which times are predicted; None: as the cluster declares
    provenance: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where this run keeps its logs and its word to stop."""
        return StudyFolder(Path(self.outputs), self.study).jobs(self.run)

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.folder / "note.json"

    @property
    def known_pace(self) -> Pace:
        """The one that was found when the run began, or the declared one."""
        return self.pace or declared(self.settings.cluster.flops_per_second)

    def write(self) -> None:
        """Put it where the jobs find it."""
        write_json(self.path, self.model_dump(mode="json"))


def read_note(folder: Path) -> Note:
    """What `Note.write` wrote into the folder of a run."""
    return Note.model_validate(read_json(folder / "note.json"))


def stop_file(folder: Path) -> Path:
    """Its presence asks the workers of a run to save what is in hand and end; its text says why."""
    return folder / "stop"
