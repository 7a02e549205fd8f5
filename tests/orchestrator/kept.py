"""Studies on disk without any stage: artifacts of a few bytes, and the plans that name them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestrator.artifacts import EVICTABLE, Store
from orchestrator.identity import Artifact, Kind, digest, key_of
from orchestrator.ledger import Ledger
from orchestrator.planfile import write_plan
from orchestrator.references import Reference
from orchestrator.retention import Sweeper
from orchestrator.settings import Keep
from orchestrator.study import StudyFolder
from tests.tiny import SETTINGS

WEIGHTS = "model.safetensors"
AMOUNTS = (4, 8, 16)


def a_study(
    name: str,
    keep: Keep = "all",
    tests: Iterable[str] = ("test",),
    amounts: Iterable[int] = AMOUNTS,
    *,
    trunks: bool = False,
) -> dict[str, Any]:
    """The document of a plan: one chain, every checkpoint asked every test; it may grow from trunks."""
    artifacts: dict[str, Any] = {}

    def add(kind: Kind, spec: dict[str, Any], label: str, **inputs: str) -> str:
        key = key_of(kind, digest(spec), inputs)
        artifacts[key] = {"kind": kind, "spec": spec, "inputs": inputs, "places": {}, "label": label}
        return key

    pool, base = add("pool", {"rows": 16}, "pool"), add("base", {"layers": 1}, "base")
    cells, before = [], dict[str, str]()
    for amount in amounts:
        if trunks:
            before = {
                "trunk": add("trunk", {"n": amount}, f"queries {amount}", base=base, pool=pool, **before)
            }
        checkpoint = add("checkpoint", {"n": amount}, f"queries {amount}", base=base, pool=pool, **before)
        asked = {
            test: add("completions", {"test": test}, f"queries {amount} on {test}", weights=checkpoint)
            for test in tests
        }
        records = {
            test: add("record", {"test": test}, f"queries {amount} on {test}", completions=key)
            for test, key in asked.items()
        }
        keys = {"pool": pool, "base": base, "checkpoint": checkpoint, "completions": asked, "record": records}
        axes = {"model": "m", "strategy": "queries", "amount": amount, "subset_seed": 0, "train_seed": 0}
        cells.append({"axes": axes, "cell": {}, "reference": None, "artifacts": keys})
    settings = SETTINGS.model_copy(update={"study": name, "keep": keep}).model_dump(mode="json")
    return {"study": name, "settings": settings, "cells": cells, "artifacts": artifacts}


def planned(outputs: Path, document: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """The same, on disk as the plan of its study."""
    study = StudyFolder(outputs, document["study"])
    study.plans.mkdir(parents=True, exist_ok=True)
    write_plan(study.plans / f"{number}.json", document)
    return document


def made(outputs: Path, document: dict[str, Any], *kinds: Kind) -> dict[str, Any]:
    """The same, with all its artifacts of these kinds (of every kind, where none is named) complete."""
    store = Store(outputs)
    for artifact in Reference.of("", document).artifacts.values():
        if not store.has(artifact.kind, artifact.key) and (not kinds or artifact.kind in kinds):
            publish(store, artifact)
    return document


def publish(store: Store, artifact: Artifact, weights: str = "w" * 100) -> bool:
    """Complete an artifact; a checkpoint has weights and a table."""
    into = store.start(artifact)
    if artifact.kind in EVICTABLE:
        (into / WEIGHTS).write_text(weights)
        (into / "subset.parquet").write_text("rows")
    else:
        (into / "payload.parquet").write_text(artifact.kind)
    return store.publish(artifact, into, {"n_rows": 1}, {"run": "r"})


def checkpoint(document: dict[str, Any], amount: int) -> str:
    """Its key."""
    return next(
        str(cell["artifacts"]["checkpoint"]) for cell in document["cells"] if cell["axes"]["amount"] == amount
    )


def sweeper(outputs: Path, document: dict[str, Any]) -> Sweeper:
    """Of one study."""
    return Sweeper(Ledger.at(outputs), outputs, Reference.of(document["study"], document))


def with_weights(outputs: Path, document: dict[str, Any]) -> list[int]:
    """The amounts whose checkpoints have their weights still, by the files and by the store alike."""
    store = Store(outputs)
    found = [amount for amount in AMOUNTS if store.whole("checkpoint", checkpoint(document, amount))]
    there = [
        amount
        for amount in AMOUNTS
        if (store.folder("checkpoint", checkpoint(document, amount)) / WEIGHTS).exists()
    ]
    assert found == there
    return found
