"""A model of the hub's kind, linked as a base, and a checkpoint made from it."""

from pathlib import Path
from typing import Any

from experiments import pretrained
from experiments.how import AS_IT_IS, How
from experiments.resume import Resumption
from experiments.train import make_checkpoint
from experiments.world import Row
from tests.experiments.tiny_models import CONTEXT, model_spec
from tests.experiments.training import TRAIN, beside, quiet, write_pool

LORA = {"rank": 4, "alpha": 8, "dropout": 0.2, "targets": "all-linear"}
RECIPE = {**TRAIN, "embedding_rate_factor": 1.0, "rehearsal": 0, "learning_rate": 1e-3}


def linked(folder: Path, into: Path) -> Path:
    """A base of the model in a folder."""
    known = pretrained.inspect(model_spec(folder))
    into.mkdir()
    pretrained.link(known["folder"], known["digest"], into, quiet)
    return into


def sums(folder: Path) -> Path:
    """A pool of twelve rows of different lengths."""
    rows = [Row(str(n), "numbers", 0, f"{n} + {n} = ?", f"{'1 ' * (n % 5)}so {2 * n}") for n in range(12)]
    return write_pool(folder, rows)


def spec(**changes: Any) -> dict[str, Any]:
    """Of a checkpoint; changes are of its recipe."""
    return {
        "version": 1,
        "train": {**RECIPE, **changes},
        "train_seed": 0,
        "subset": {"n": 12, "unit": "examples", "order": "breadth", "seed": 0},
        "prompt": "Q: {query} A:",
        "context": CONTEXT,
        "dtype": "float32",
        "saved_dtype": "float32",
    }


def trained(
    base: Path,
    pool: Path,
    into: Path,
    made_from: dict[str, Any],
    how: How = AS_IT_IS,
    resumption: Resumption | None = None,
) -> dict[str, Any]:
    """Make a checkpoint; its summary."""
    into.mkdir()
    inputs = {"base": base, "pool": pool}
    return make_checkpoint(made_from, inputs, into, quiet, resumption or beside(into), how)
