"""Lets the amounts of a chain share their training: a trunk at a constant rate, and a cooldown for each."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from orchestrator.cell import Cell, Trunk
from orchestrator.identity import TRUNK, Artifact, canonical, defining, digest, key_of
from orchestrator.refusal import Refused
from orchestrator.settings import Way


def refuse(cell: Cell, n_rows: int | None) -> None:
    """Raises Refused for a recipe that has no trunk, and for too few rows; None: nobody knows them yet."""
    train, trunk = cell.train, cell.train.trunk
    assert trunk is not None, "only trunks can be wrong about themselves"
    if (train.budget.unit, train.budget.value) != ("epochs", 1.0):
        raise Refused(
            f"train.trunk with a budget of {train.budget.value:g} {train.budget.unit}: amounts share the "
            "steps of one pass in nested order, and a second pass of a small amount is no part of a larger "
            "one: set train.budget.unit=epochs and train.budget.value=1.0, or train.trunk=null"
        )
    if train.warmup_share:
        raise Refused(
            f"train.warmup_share={train.warmup_share:g} makes warm-up longer for larger amounts, which then "
            "share no step: set train.warmup_share=0.0 and train.trunk.warmup_steps"
        )
    if n_rows is not None:
        refuse_short(trunk, n_rows, train.batch_size)


def refuse_short(trunk: Trunk, n_rows: int, batch_size: int) -> int:
    """After how many steps the cooldown of so many rows begins. Raises Refused where warm-up is not over."""
    n_steps = ceil(n_rows / batch_size)
    begin = n_steps - trunk.n_cooldown(n_steps)
    if begin < max(trunk.warmup_steps, 1):
        raise Refused(
            f"{n_rows} rows are {n_steps} steps of train.batch_size={batch_size}: no room for "
            f"{trunk.n_cooldown(n_steps)} of cooldown (train.trunk.cooldown_share={trunk.cooldown_share:g}) "
            f"behind train.trunk.warmup_steps={trunk.warmup_steps}: ask for larger amounts, or less warm-up"
        )
    return begin


def by_itself(cell: Cell, way: Way, n_rows: int) -> Cell:
    """The same cell without sharing: by the same schedule, or shuffled, with a cosine behind its warm-up."""
    train, trunk = cell.train, cell.train.trunk
    assert trunk is not None, "only trunks are audited"
    if way == "alone":
        changed = train.model_copy(update={"trunk": trunk.model_copy(update={"shared": False})})
    else:
        warmup = min(trunk.warmup_steps / ceil(n_rows / train.batch_size), 1.0)
        changed = train.model_copy(update={"trunk": None, "warmup_share": warmup})
    return cell.model_copy(update={"train": changed})


def grown(artifacts: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """The artifacts, with the trunks that their checkpoints share.

    Raises Refused where checkpoints differ in a training seed that nothing is drawn with.
    """
    chains: dict[str, list[Artifact]] = defaultdict(list)
    for artifact in artifacts.values():
        if artifact.kind == "checkpoint" and artifact.spec["train"].get("trunk"):
            chains[_chain(artifact)].append(artifact)
    _refuse_idle_seeds(chains.values(), artifacts)
    found = dict(artifacts)
    for chain in chains.values():
        if chain[0].spec["train"]["trunk"].get("shared", True):
            found.update(_with_trunks(chain))
    return found


def _with_trunks(chain: Iterable[Artifact]) -> dict[str, Artifact]:
    """Each trunk goes on from that of the next smaller amount, and each checkpoint from its own."""
    found: dict[str, Artifact] = {}
    before: dict[str, str] = {}
    for checkpoint in sorted(chain, key=lambda artifact: artifact.spec["subset"]["n"]):
        spec = of_trunk(checkpoint.spec)
        inputs = {**checkpoint.inputs, **before}
        key = key_of("trunk", digest(spec), inputs)
        found[key] = Artifact("trunk", key, spec, inputs, {}, checkpoint.label)
        before = {TRUNK: key}
        found[checkpoint.key] = replace(checkpoint, inputs={**checkpoint.inputs, **before})
    return found


def of_trunk(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint's training is until its cooldown begins; how the rate falls then is not in it."""
    trunk = {name: value for name, value in spec["train"]["trunk"].items() if name != "cooldown"}
    train = {name: value for name, value in spec["train"].items() if name != "final_rate_share"}
    return {**spec, "train": {**train, "trunk": trunk}}


def _chain(checkpoint: Artifact) -> str:
    """The same for checkpoints that differ in their amount alone."""
    subset = {name: value for name, value in checkpoint.spec["subset"].items() if name != "n"}
    return canonical([{**checkpoint.spec, "subset": subset}, defining(checkpoint.inputs)])


def _refuse_idle_seeds(chains: Iterable[list[Artifact]], artifacts: Mapping[str, Artifact]) -> None:
    seeds: dict[str, set[int]] = defaultdict(set)
    for chain in chains:
        spec = chain[0].spec
        if _draws(spec["train"], artifacts[chain[0].inputs["base"]]):
            continue
        same = _chain(replace(chain[0], spec={**spec, "train_seed": None}))
        seeds[same].add(spec["train_seed"])
    for several in seeds.values():
        if len(several) > 1:
            listed = ",".join(map(str, sorted(several)))
            raise Refused(
                f"train_seed={listed} would change nothing: a trunk takes rows in nested order, and this "
                "recipe draws nothing: vary subset_seed (or seed, which moves both), or set train.trunk=null"
            )


def _draws(train: Mapping[str, Any], base: Artifact) -> bool:
    """Whether a training in nested order draws anything: what is rehearsed, adapters, what is dropped out."""
    dropout = any(place["dropout"] for place in base.places.values() if "dropout" in place)
    return bool(train["rehearsal"] or train.get("lora") or dropout)
