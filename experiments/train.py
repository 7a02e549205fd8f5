"""Makes a checkpoint: fine-tunes a base on the first rows of a pool."""

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.base import read_rehearsal
from experiments.batches import ShuffledBatches
from experiments.encode import Text, encode
from experiments.how import AS_IT_IS, How
from experiments.keeper import Keeper
from experiments.loop import Recipe, fit
from experiments.poolrows import PoolRows
from experiments.resume import Progress, Resumption
from experiments.start import start
from experiments.state import identity
from experiments.subset import select
from experiments.training import Step
from orchestrator.cell import Train
from orchestrator.refusal import Refused

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
    train = Train.model_validate(spec["train"])
    begun = start(inputs["base"], spec, how)
    subset = _subset(spec, inputs)
    encoded = encode(_texts(subset), begun.reading)
    examples = encoded.examples
    if not examples:
        raise Refused(
            f"none of the {len(subset)} rows fits into the context of {begun.reading.context} tokens"
        )
    rehearsal = read_rehearsal(inputs["base"]) if train.rehearsal else []
    batches = ShuffledBatches(examples, train.batch_size, rehearsal, train.rehearsal, spec["train_seed"])
    recipe = _recipe(train, batches)
    keeper = Keeper(resumption, identity("checkpoint", spec, inputs), progress)
    steps = fit(begun.learner, batches, recipe, progress, keeper, how.n_parts(train.batch_size))
    begun.save(into)
    pq.write_table(subset.select(KEPT).take(pa.array(encoded.kept)), into / "subset.parquet")
    pq.write_table(_course(steps), into / "training.parquet")
    return {
        "n_rows": len(examples),
        "n_dropped": len(subset) - len(examples),
        "n_truncated": encoded.n_truncated,
        "n_steps": len(steps),
        "n_tokens": sum(step.n_tokens for step in steps),
        "final_loss": steps[-1].loss,
    }


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


def _recipe(train: Train, batches: ShuffledBatches) -> Recipe:
    return Recipe(
        n_steps=n_steps(train, batches),
        learning_rate=train.learning_rate,
        embedding_rate_factor=train.embedding_rate_factor,
        warmup_share=train.warmup_share,
        final_rate_share=train.final_rate_share,
        weight_decay=train.weight_decay,
        betas=train.betas,
        clip=train.clip,
    )


def _subset(spec: dict[str, Any], inputs: dict[str, Path]) -> pa.Table:
    pool = PoolRows(inputs["pool"] / "pool.parquet")
    seed = PoolRows(inputs["seed"] / "pool.parquet") if "seed" in inputs else None
    return select(pool, seed, spec["subset"])


def _texts(subset: pa.Table) -> list[Text]:
    columns = [subset[name].to_pylist() for name in ("row_id", "query", "response")]
    return [Text(*row) for row in zip(*columns, strict=True)]


def _course(steps: list[Step]) -> pa.Table:
    return pa.table({name: [getattr(step, name) for step in steps] for name in Step.__dataclass_fields__})
