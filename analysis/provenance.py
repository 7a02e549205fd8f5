"""Where and with what the artifacts were made, as their manifests say, and where they differ."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.study import Study
from orchestrator.identity import KINDS

# What differs from artifact to artifact without anything being wrong.
PERSONAL = frozenset(
    {"begun", "seconds", "cpu_seconds", "gpu_seconds", "peak_memory_bytes", "pid", "started", "run"}
)
# What may differ without the study being a mixture: machines, and commits (the digest of the code decides).
INNOCENT = frozenset({"host", "platform", "processor", "git_commit", "git_dirty"})


@dataclass(frozen=True)
class Made:
    """How much of one kind there is, and what it took."""

    kind: str
    planned: int
    complete: int
    seconds: float
    cpu_seconds: float
    gpu_seconds: float


@dataclass(frozen=True)
class Provenance:
    """`facts` holds, for each dotted name, the values found and in how many artifacts."""

    made: tuple[Made, ...]
    facts: dict[str, dict[str, int]]
    mixed: tuple[str, ...]


def provenance_of(study: Study) -> Provenance:
    """Collect over every complete artifact of the plan."""
    facts: dict[str, Counter[str]] = {}
    for manifest in study.manifests.values():
        for name, value in _flat(manifest.get("provenance", {})):
            facts.setdefault(name, Counter())[value] += 1
    mixed = [name for name, values in facts.items() if len(values) > 1]
    present = {artifact["kind"] for artifact in study.artifacts.values()}
    return Provenance(
        made=tuple(_made(study, kind) for kind in KINDS if kind in present),
        facts={name: dict(values.most_common()) for name, values in facts.items()},
        mixed=tuple(name for name in mixed if name.split(".")[0] not in INNOCENT),
    )


def _made(study: Study, kind: str) -> Made:
    planned = [key for key, artifact in study.artifacts.items() if artifact["kind"] == kind]
    notes = [study.manifests[key].get("provenance", {}) for key in planned if key in study.manifests]

    def total(name: str) -> float:
        return float(sum(note.get(name) or 0.0 for note in notes))

    return Made(kind, len(planned), len(notes), total("seconds"), total("cpu_seconds"), total("gpu_seconds"))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if not prefix and name in PERSONAL:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "unknown" if value is None else str(value)
