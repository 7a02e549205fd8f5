"""What every study under one folder of results still refers to: its newest plan, and what its jobs hold."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.artifacts import EVICTABLE, Store
from orchestrator.identity import Artifact
from orchestrator.ledger import wanted
from orchestrator.note import read_note
from orchestrator.refusal import Refused
from orchestrator.settings import Keep
from orchestrator.study import StudyFolder, artifacts_of

# A lease of a study that began only now is in no plan that was read.
USERS_OF_WEIGHTS = (*EVICTABLE, "completions")


@dataclass(frozen=True)
class Reference:
    """One plan of a study, and whose weights it keeps."""

    name: str
    keep: Keep
    artifacts: Mapping[str, Artifact]
    kept: frozenset[str]  # checkpoints

    @classmethod
    def of(cls, name: str, document: Mapping[str, Any], keep: Keep | None = None) -> "Reference":
        """`keep`: what its last run said; None: as the plan has it."""
        declared: Keep = keep or document["settings"].get("keep", "all")
        cells = ((cell["axes"], cell["artifacts"]["checkpoint"]) for cell in document["cells"])
        artifacts = artifacts_of(document)
        return cls(name, declared, artifacts, kept_of(artifacts, cells, declared))

    def needs(self, store: Store) -> set[str]:
        """Keys of what it keeps, and of what records that are missing are made from."""
        missing = wanted(self.artifacts, store.complete(self.artifacts.values()))
        return set(self.kept) | {key for made in missing.values() for key in made.inputs.values()}


@dataclass(frozen=True)
class References:
    """The newest plan of every study, and older ones that jobs still work on."""

    newest: tuple[Reference, ...]
    older: tuple[Reference, ...]

    def needs(self, store: Store) -> set[str]:
        """The checkpoints whose weights some study needs or keeps."""
        return set().union(*(study.needs(store) for study in self.newest))

    def in_use(self, key: str, live: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether something is made from it at this moment, by the leases; where nobody can tell, it is."""
        return any(
            key in self._inputs[made] if made in self._inputs else holder.get("kind") in USERS_OF_WEIGHTS
            for made, holder in live.items()
        )

    def named(self) -> set[str]:
        """The keys of all that any of the plans names."""
        return {key for study in (*self.newest, *self.older) for key in study.artifacts}

    @cached_property
    def _inputs(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for study in (*self.newest, *self.older):
            for key, artifact in study.artifacts.items():
                found[key].update(artifact.inputs.values())
        return found


def references(
    outputs: Path, live: Iterable[Mapping[str, Any]], changed: Reference | None = None
) -> References:
    """All there are; `changed` is a study as its run has it that begins now.

    Raises Refused where a plan cannot be read: then nobody knows what it refers to.
    """
    newest, older = [], []
    working = {(holder.get("study"), holder.get("run")) for holder in live}
    for root in sorted(path for path in (outputs / "studies").glob("*") if (path / "plans").is_dir()):
        study = StudyFolder(outputs, root.name)
        number = study.newest()
        if number is None:
            continue
        if changed is not None and changed.name == study.name:
            newest.append(changed)
        else:
            newest.append(_read(study, number))
        runs = {run for name, run in working if name == study.name and run}
        older += [_read(study, n) for n in sorted({_plan_of(study, run) for run in runs} - {number})]
    return References(tuple(newest), tuple(older))


def _read(study: StudyFolder, number: int) -> Reference:
    run = study.newest_run()
    try:
        keep = read_note(study.jobs(run)).settings.keep if run else None
        return Reference.of(study.name, study.plan(number), keep)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"plan {number} of {study.root} cannot be read ({error}), so nobody knows what it refers to: "
            "run that study again, or remove its folder"
        ) from error


def _plan_of(study: StudyFolder, run: str) -> int:
    return read_note(study.jobs(run)).plan


def kept_of(
    artifacts: Mapping[str, Artifact], cells: Iterable[tuple[Mapping[str, Any], str | None]], keep: Keep
) -> frozenset[str]:
    """Checkpoints: all there are, none, or of each chain the one of the largest amount.

    `cells` are axes and checkpoint of each; a chain is what differs in its amount alone.
    """
    if keep == "none":
        return frozenset()
    if keep == "all":
        return frozenset(key for key, made in artifacts.items() if made.kind in EVICTABLE)
    largest: dict[str, tuple[int, str]] = {}
    for axes, key in cells:
        if key is not None:
            chain = str(sorted((name, str(value)) for name, value in axes.items() if name != "amount"))
            largest[chain] = max((axes["amount"], key), largest.get(chain, (-1, "")))
    return frozenset(key for _, key in largest.values())
