"""A study as trackers of experiments know it: a run for each checkpoint, with its course and results."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from analysis.study import Study
from orchestrator.artifacts import Store
from orchestrator.identity import canonical

# The files of a checkpoint that have a row for each step; the second is not in old ones.
COURSES = ("training.parquet", "measured.parquet")
# Of a record: what a tracker shows of it, where it is known.
RESULTS = ("n_correct", "n_items", "nll_per_token")

Steps = list[dict[str, float]]  # each with `step`


@dataclass(frozen=True)
class TrackedRun:
    """One checkpoint: what tells it from others, what every step did, and what it was worth."""

    study: str
    key: str
    axes: Mapping[str, Any]
    steps: Steps
    results: Mapping[str, float]

    @property
    def name(self) -> str:
        """For people; `key` is for machines."""
        told = [f"{name}={value}" for name, value in self.axes.items() if isinstance(value, str | int)]
        return f"{' '.join(told)} {self.key[:8]}"


def complete_runs(study: Study, known: frozenset[str]) -> Iterator[TrackedRun]:
    """The checkpoints that are there with all their records, but those whose keys are known."""
    seen = set(known)
    for cell in study.cells:
        key = cell["artifacts"]["checkpoint"]
        if key is None or key in seen or not _complete(cell, study):
            continue
        folder = Store(study.folder.outputs).folder("checkpoint", key)
        if not (folder / COURSES[0]).exists():
            continue
        seen.add(key)
        axes = {name: _plain(value) for name, value in cell["axes"].items()}
        yield TrackedRun(study.folder.name, key, axes, _steps(folder), dict(_results(cell, study)))


def n_left(study: Study, known: frozenset[str]) -> int:
    """How many checkpoints of the plan have not been tracked yet."""
    return len({cell["artifacts"]["checkpoint"] for cell in study.cells} - {None} - known)


def _complete(cell: Mapping[str, Any], study: Study) -> bool:
    keys = (cell["artifacts"]["checkpoint"], *cell["artifacts"]["record"].values())
    return all(key in study.manifests for key in keys)


def _steps(folder: Path) -> Steps:
    course, *measured = [pq.read_table(folder / name) for name in COURSES if (folder / name).exists()]
    for table in measured:
        for name in set(table.column_names) - set(course.column_names):
            course = course.append_column(name, table[name])
    return list(course.to_pylist())


def _results(cell: Mapping[str, Any], study: Study) -> Iterator[tuple[str, float]]:
    for benchmark, key in cell["artifacts"]["record"].items():
        summary = study.manifests[key]["summary"]
        known = {name: summary[name] for name in RESULTS if summary.get(name) is not None}
        n_answers = summary["n_items"] * summary.get("n_samples", 1)
        for name, value in {**known, "accuracy": summary["n_correct"] / n_answers}.items():
            yield f"{benchmark}/{name}", value


def _plain(value: Any) -> Any:
    return canonical(value) if isinstance(value, list | dict) else value
