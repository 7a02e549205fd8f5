"""The smallest base and checkpoint: their specs, and how to make them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.base import make_base
from experiments.resume import Resumption
from experiments.text import row_id
from experiments.train import make_checkpoint
from experiments.world import Row
from orchestrator.specs import SymbolicSource, World

WORLD = World(seed=0, n_units=40, n_everyday_units=8, zipf_alpha=1.0, zipf_offset=6.0)
MODEL: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "n_layers": 2,
    "n_heads": 2,
    "context": 64,
    "init_seed": 0,
    "tokenizer": "words",
    "vocabulary": None,
    "prompt": "{query} ->",
    "pretrain": {
        "tokens": 4000,
        "batch_size": 8,
        "learning_rate": 3e-3,
        "seed": 0,
        "drills_share": 0.3,
        "everyday_share": 0.5,
    },
}
TRAIN: dict[str, Any] = {
    "budget": {"unit": "epochs", "value": 2.0},
    "batch_size": 4,
    "learning_rate": 3e-3,
    "embedding_rate_factor": 2.0,
    "warmup_share": 0.1,
    "final_rate_share": 0.05,
    "weight_decay": 0.01,
    "betas": [0.9, 0.98],
    "clip": 1.0,
    "rehearsal": 1,
}
SUBSET = {"n": 16, "unit": "examples", "order": "breadth", "seed": 0}


def quiet(share: float, note: str) -> None:
    assert 0.0 <= share <= 1.0
    assert note


def source(part: Any, n_items: int) -> SymbolicSource:
    return SymbolicSource(kind="symbolic", world=WORLD, part=part, n_items=n_items)


def base_spec(**changes: Any) -> dict[str, Any]:
    decontaminate = [source("test", 10).model_dump(), source("ood", 10).model_dump()]
    model = {**MODEL, **changes}
    return {"version": 1, "model": model, "world": WORLD.model_dump(), "decontaminate": decontaminate}


def checkpoint_spec(train_seed: int = 0, **changes: Any) -> dict[str, Any]:
    train = {**TRAIN, **changes}
    return {
        "version": 1,
        "train": train,
        "train_seed": train_seed,
        "subset": SUBSET,
        "prompt": MODEL["prompt"],
    }


def write_pool(folder: Path, rows: list[Row]) -> Path:
    folder.mkdir()
    columns = [
        {
            "row_id": row_id(row.query, row.response),
            "source_id": row.source_id,
            "strategy": "queries",
            "operation": row.operation,
            "path": row.path,
            "query": row.query,
            "response": row.response,
            "generator": "world",
        }
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(columns), folder / "pool.parquet")
    return folder


def made(
    inputs: dict[str, Path], into: Path, spec: dict[str, Any], resumption: Resumption | None = None
) -> dict[str, Any]:
    into.mkdir()
    return make_checkpoint(spec, inputs, into, quiet, resumption or beside(into))


def made_base(
    inputs: dict[str, Path], into: Path, spec: dict[str, Any], resumption: Resumption | None = None
) -> dict[str, Any]:
    into.mkdir(exist_ok=True)
    return make_base(spec, inputs, into, quiet, {}, resumption or beside(into))


def beside(into: Path, save_every: float = 60.0) -> Resumption:
    """A state folder of its own."""
    return Resumption(into.with_name(f"{into.name}.state"), save_every)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()
