"""Arrays of jobs as they stand on disk, written before Slurm hears of them: which element makes what."""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.files import read_json, write_json, write_text
from orchestrator.settings import Resources
from orchestrator.study import StudyFolder

# Names of jobs begin so, and go on with the id of the submission.
PREFIX = "doublings."


@dataclass(frozen=True)
class Submission:
    """The folder of one array. Its name is the job's name, so that jobs are found again without our books."""

    folder: Path

    @property
    def job_name(self) -> str:
        """As Slurm shows it."""
        return f"{PREFIX}{self.folder.name}"

    @property
    def job_id(self) -> str | None:
        """Of the array, once Slurm told."""
        path = self.folder / "job.json"
        return str(read_json(path)["job_id"]) if path.exists() else None

    @property
    def written(self) -> datetime:
        """When, just before Slurm was asked."""
        return datetime.fromisoformat(self.about()["written"])

    def about(self) -> dict[str, Any]:
        """`written`, `resources`, and for every element the keys that it makes, in order."""
        about: dict[str, Any] = read_json(self.folder / "about.json")
        return about

    @property
    def resources(self) -> Resources:
        """What its jobs asked for."""
        return Resources.model_validate(self.about()["resources"])

    def shares(self) -> list[list[str]]:
        """The keys of what each element makes."""
        shares: list[list[str]] = self.about()["keys"]
        return shares

    def taken(self, job_id: str) -> None:
        """Note that Slurm has it."""
        write_json(self.folder / "job.json", {"job_id": job_id})

    def examined(self, element: str) -> None:
        """Note that it is known what became of an element that ended with something unmade."""
        with (self.folder / "examined").open("a", encoding="utf-8") as names:
            names.write(f"{element}\n")

    def known_examined(self) -> set[str]:
        """The elements of which that was noted."""
        path = self.folder / "examined"
        return set(path.read_text(encoding="utf-8").split()) if path.exists() else set()

    def over(self, became: Mapping[str, Any]) -> None:
        """Note that nothing of it waits or runs any more; nobody asks Slurm about it again."""
        write_json(self.folder / "over.json", became)

    @property
    def open(self) -> bool:
        """Whether something of it may still wait or run."""
        return not (self.folder / "over.json").exists()


def write(run_folder: Path, resources: Resources, shares: Sequence[Sequence[str]]) -> Submission:
    """A new submission; each element has its share of keys."""
    folder = run_folder / f"{datetime.now(UTC):%m%d%H%M%S}-{secrets.token_hex(3)}"
    about = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "resources": resources.model_dump(mode="json"),
        "keys": shares,
    }
    write_text(folder / "about.json", json.dumps(about) + "\n")
    return Submission(folder)


def every(study: StudyFolder) -> Iterator[Submission]:
    """Those of every run of a study, oldest first."""
    return (Submission(about.parent) for about in sorted(study.root.glob("jobs/*/*/about.json")))


def submissions(study: StudyFolder) -> Iterator[Submission]:
    """Those that are not known to be over."""
    return (submission for submission in every(study) if submission.open)
