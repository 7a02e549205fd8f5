"""Makes a checkpoint: fine-tunes a base on the first rows of a pool."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments import ranks
from experiments.base import read_rehearsal
from experiments.batches import WINDOW, ShuffledBatches
from experiments.course import write_course
from experiments.encode import Encoded, Text, encode
from experiments.how import AS_IT_IS, How
from experiments.keeper import Keeper
from experiments.loop import Recipe, fit
from experiments.nested import NestedBatches
from experiments.plateau import Plateau
from experiments.poolrows import PoolRows
from experiments.relay import relay
from experiments.resume import Progress, Resumption
from experiments.start import Start, start
from experiments.state import identity
from experiments.subset import select
from experiments.training import Step
from orchestrator.cell import Train
from orchestrator.identity import TRUNK, defining
from orchestrator.refusal import Refused
from orchestrator.trunks import refuse_short

KEPT = ["position", "row_id", "source_id", "role"]


def make_checkpoint(
    spec: dict[str, Any],
    inputs: dict[str, Path],
    into: Path,
    progress: Progress,
    resumption: Resumption,
    how: How = AS_IT_IS,
) -> dict[str, Any]:
    """Write the fine-tuned folder, the subset it saw and the course of its training; return the summary.

    Rows that `too_long` drops are in neither. Raises Paused where the training is asked to pause, and
    Refused where no row fits into the context.
    """
    task = read_task(spec, inputs, how)
    keeper = Keeper(
        resumption,
        identity("checkpoint", spec, defining(inputs)),
        progress,
        relay(spec, inputs) if TRUNK in inputs else None,
    )
    steps = task.fit(progress, keeper)
    task.begun.save(into)
    subset, encoded = task.subset, task.encoded
    examples = encoded.examples
    pq.write_table(subset.select(KEPT).take(pa.array(encoded.kept)), into / "subset.parquet")
    write_course(steps, into)
    return {
        "n_rows": len(examples),
        "n_dropped": len(subset) - len(examples),
        "n_truncated": encoded.n_truncated,
        "n_steps": len(steps),
        "n_tokens": sum(step.n_tokens for step in steps),
        "n_read": sum(step.n_read for step in steps),
        "final_loss": steps[-1].loss,
    }


@dataclass(frozen=True)
class Task:
    """What a training is given: a model, the subset and its examples, in which order, and the recipe."""

    begun: Start
    subset: pa.Table
    encoded: Encoded
    batches: ShuffledBatches
    recipe: Recipe
    n_parts: int

    def fit(self, progress: Progress, keeper: Keeper) -> list[Step]:
        """Train as the recipe says."""
        return fit(self.begun.learner, self.batches, self.recipe, progress, keeper, self.n_parts)


def read_task(spec: dict[str, Any], inputs: Mapping[str, Path], how: How) -> Task:
    """Read what the spec of a checkpoint says. Raises Refused where no row fits into the context."""
    train = Train.model_validate(spec["train"])
    begun = start(inputs["base"], spec, how)
    subset = _subset(spec, inputs)
    encoded = encode(_texts(subset), begun.reading)
    if not encoded.examples:
        raise Refused(
            f"none of the {len(subset)} rows fits into the context of {begun.reading.context} tokens"
        )
    rehearsal = read_rehearsal(inputs["base"]) if train.rehearsal else []
    order = NestedBatches if train.trunk else ShuffledBatches
    batches = order(
        encoded.examples,
        train.batch_size,
        rehearsal,
        train.rehearsal,
        spec["train_seed"],
        window=WINDOW if train.group_by_length else 1,
    )
    recipe = recipe_of(train, n_steps(train, batches), len(encoded.examples))
    return Task(begun, subset, encoded, batches, recipe, how.n_parts(train.batch_size, ranks.size()))


def n_steps(train: Train, batches: ShuffledBatches) -> int:
    """Return how many optimiser steps the budget allows, at least one; with `tokens`, enough to read them."""
    per_epoch = math.ceil(batches.n_examples / train.batch_size)
    match train.budget.unit:
        case "epochs":
            return max(1, round(train.budget.value * per_epoch))
        case "steps":
            return max(1, round(train.budget.value))
        case "examples":
            return max(1, math.ceil(train.budget.value / train.batch_size))
        case "tokens":
            return batches.n_batches_with(math.ceil(train.budget.value))


def recipe_of(train: Train, n_steps: int, n_examples: int) -> Recipe:
    """How the weights follow their gradients. Raises Refused where a cooldown does not fit."""
    plateau = None
    if train.trunk is not None:
        begins = refuse_short(train.trunk, n_examples, train.batch_size)
        plateau = Plateau(train.trunk.warmup_steps, begins, n_steps - begins, train.trunk.cooldown)
    return Recipe(
        n_steps=n_steps,
        learning_rate=train.learning_rate,
        embedding_rate_factor=train.embedding_rate_factor,
        warmup_share=train.warmup_share,
        final_rate_share=train.final_rate_share,
        weight_decay=train.weight_decay,
        betas=train.betas,
        clip=train.clip,
        plateau=plateau,
    )


def _subset(spec: dict[str, Any], inputs: Mapping[str, Path]) -> pa.Table:
    pool = PoolRows(inputs["pool"] / "pool.parquet")
    seed = PoolRows(inputs["seed"] / "pool.parquet") if "seed" in inputs else None
    return select(pool, seed, spec["subset"])


def _texts(subset: pa.Table) -> list[Text]:
    columns = [subset[name].to_pylist() for name in ("row_id", "query", "response")]
    return [Text(*row) for row in zip(*columns, strict=True)]
