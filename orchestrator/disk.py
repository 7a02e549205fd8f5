"""What a plan needs on the disk, and whether that is there: one judgement for `plan`, `run` and `doctor`."""

import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.artifacts import EVICTABLE
from orchestrator.estimate import Cost
from orchestrator.findings import Finding
from orchestrator.identity import KINDS, Artifact, Kind
from orchestrator.progress import size
from orchestrator.refusal import Refused

# A plan's estimate of its files is no promise, and other people write too.
MARGIN = 1.5
SCARCE_BYTES = 10**9
REMEDY = "free space (`doublings gc`), keep fewer weights (keep=largest or none), or choose outputs=PATH"


@dataclass(frozen=True)
class Need:
    """Bytes of what is to be made."""

    stays: Mapping[Kind, int]
    passing: int  # at most at one time beside that: weights that are evicted again, states of trainings

    @property
    def n_bytes(self) -> int:
        """All together."""
        return sum(self.stays.values()) + self.passing

    @property
    def weights(self) -> int:
        """Of what is trained alone, which is known from its shape; all else is guessed, mostly too high."""
        return sum(self.stays[kind] for kind in EVICTABLE) + self.passing

    def __str__(self) -> str:
        listed = ", ".join(f"{kind} {size(n_bytes)}" for kind, n_bytes in self.stays.items() if n_bytes)
        return f"{size(sum(self.stays.values()))} ({listed}), and up to {size(self.passing)} in passing"


def need(
    to_make: Mapping[str, Artifact], costs: Mapping[str, Cost], kept: Collection[str], at_once: int
) -> Need:
    """`kept`: the checkpoints whose weights stay when their records are there; `at_once`: jobs."""
    passing = {key for key, made in to_make.items() if made.kind in EVICTABLE and key not in kept}
    stays = {
        kind: sum(
            costs[key].bytes for key, made in to_make.items() if made.kind == kind and key not in passing
        )
        for kind in KINDS
    }
    weights = _largest((costs[key].bytes for key in passing), at_once)
    return Need(stays, weights + _largest((costs[key].state for key in to_make), at_once))


def judge(check: str, free_bytes: int, needed_bytes: float | None) -> Finding:
    """Whether what is to be made fits; without a plan (None), whether there is anything left at all."""
    told = f"{size(free_bytes)} free"
    if needed_bytes is None:
        scarce = free_bytes < SCARCE_BYTES
        return Finding(check, told, "warn", REMEDY) if scarce else Finding(check, told)
    told += f", the plan needs about {size(needed_bytes)}"
    if free_bytes < needed_bytes:
        return Finding(check, told, "bad", REMEDY)
    scarce = free_bytes < MARGIN * needed_bytes
    return Finding(check, told, "warn", REMEDY) if scarce else Finding(check, told)


def found(outputs: Path, needed: Need) -> Finding:
    """The same where results will lie, whether or not that folder is there yet."""
    return judge(f"disk of {outputs}", _free(outputs), needed.n_bytes)


def refuse_too_small(outputs: Path, needed: Need) -> None:
    """Raises Refused where less is free than weights alone will take."""
    free = _free(outputs)
    if free < needed.weights:
        raise Refused(
            f"disk of {outputs}: {size(free)} free, and weights alone need {size(needed.weights)} of "
            f"{needed}: {REMEDY}"
        )


def _free(outputs: Path) -> int:
    nearest = next(folder for folder in (outputs, *outputs.parents) if folder.exists())
    return shutil.disk_usage(nearest).free


def _largest(n_bytes: Iterable[int], at_once: int) -> int:
    return sum(sorted(n_bytes, reverse=True)[:at_once])
