"""Makes a trunk: the state of a training where the cooldown of an amount begins."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.how import AS_IT_IS, How
from experiments.keeper import Keeper
from experiments.relay import relay
from experiments.resume import Progress, Resumption
from experiments.state import identity
from experiments.train import Task, read_task
from orchestrator.identity import defining


def make_trunk(
    spec: dict[str, Any],
    inputs: dict[str, Path],
    into: Path,
    progress: Progress,
    resumption: Resumption,
    how: How = AS_IT_IS,
) -> dict[str, Any]:
    """Write the state that cooldowns and the trunk of the next amount go on from; return the summary.

    Goes on from the trunk of the amount before, where `inputs` has one. Raises Paused and Refused as
    `make_checkpoint` does.
    """
    task = read_trunk(spec, inputs, how)
    keeper = Keeper(
        resumption, identity("trunk", spec, defining(inputs)), progress, relay(spec, inputs, ends=into)
    )
    steps = task.fit(progress, keeper)
    return {
        "n_steps": len(steps),
        "n_tokens": sum(step.n_tokens for step in steps),
        "n_read": sum(step.n_read for step in steps),
        "loss": steps[-1].loss,
    }


def read_trunk(spec: dict[str, Any], inputs: Mapping[str, Path], how: How) -> Task:
    """Read what the spec of a trunk says: a training that ends where its cooldown would begin."""
    task = read_task(_with_a_cooldown(spec), inputs, how)
    plateau = task.recipe.plateau
    assert plateau is not None, "only recipes with a trunk have one"
    return replace(task, recipe=replace(task.recipe, n_steps=plateau.cooldown_begins))


def _with_a_cooldown(spec: dict[str, Any]) -> dict[str, Any]:
    """A recipe has one; which, a trunk does not know, as it ends before."""
    train = spec["train"]
    trunk = {**train["trunk"], "cooldown": "linear"}
    return {**spec, "train": {**train, "final_rate_share": 0.0, "trunk": trunk}}
