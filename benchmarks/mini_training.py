"""The miniature's training stage against the script a user would write, and the share that starting takes.

    python benchmarks/mini_training.py [--amounts 128,2048] [--seeds 0] [--tokens N]

Base and pool are made once by a stage process. Then the same cells (strategy `queries`) are trained twice:
by one stage process, as a worker does, and by `plain_trainer.py`, a process for each cell with
transformers' `Trainer`, the default collator and the base loaded each time. Both checkpoints are asked the
in-domain benchmark by the same stage.

Times are CPU seconds, as others may use the processors too; on an idle machine with one thread that is the
wall time. What the checkpoints of the whole study would take is extrapolated by a line through the amounts
measured. `--tokens` shortens the base's pretraining for a try; accuracies then mean little.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq

from experiments.subset import select
from orchestrator.stages import StageProcess

SCRIPT = Path(__file__).parent / "plain_trainer.py"
# Checkpoints of the miniature: three strategies and seeds at each amount, and the seed set for each seed.
STUDY = {128: 9, 256: 9, 512: 9, 1024: 9, 2048: 9, 400: 3}
WORKERS = 2


@dataclass(frozen=True)
class Cell:
    """What is made of it, by key, and what training it took."""

    amount: int
    keys: dict
    cpu: float
    wall: float = 0.0
    stepping: float = 0.0  # of the wall time, in steps


def main():
    """Both, then the table."""
    asked = _asked()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        document = _planned(asked)
        cells = sorted(
            (cell for cell in document["cells"] if not cell["reference"]),
            key=lambda cell: cell["axes"]["amount"],
        )
        with StageProcess() as stage:
            for kind in ("pool", "base"):
                _make(stage, document["artifacts"], cells[0]["artifacts"][kind], folder)
        ours, start = _ours(document["artifacts"], cells, folder)
        theirs = [_theirs(document["artifacts"], cell, folder) for cell in cells]
        with StageProcess() as stage:
            right = [
                [
                    _n_right(stage, document["artifacts"], cell.keys, folder, suffix)
                    for suffix in ("", ".plain")
                ]
                for cell in ours
            ]
    _print(ours, theirs, right, start)


def _asked():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--amounts", default="128,2048")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--tokens", type=int, help="that the base reads")
    return parser.parse_args()


def _planned(asked):
    """The plan of these cells with one benchmark."""
    overrides = [f"amount={asked.amounts}", f"seed={asked.seeds}", "strategy=queries", "evaluate=[mini_test]"]
    if asked.tokens:
        overrides.append(f"model.pretrain.tokens={asked.tokens}")
    command = [sys.executable, "-m", "orchestrator", "plan", "study=training", *overrides, "format=json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def _make(stage, artifacts, key, folder, into=None, inputs=None):
    """Have one artifact made; CPU seconds of the stage for it."""
    artifact, into = artifacts[key], into or folder / key
    into.mkdir(exist_ok=True)
    given = inputs or {role: folder / made for role, made in artifact["inputs"].items()}
    process = psutil.Process(stage.pid)
    begun = sum(process.cpu_times()[:2])
    stage.ask(
        {
            "ask": "make",
            "kind": artifact["kind"],
            "spec": artifact["spec"],
            "inputs": {role: str(place) for role, place in given.items()},
            "places": artifact["places"],
            "into": str(into),
            "state": str(into.with_name(f"{into.name}.state")),
            "save_every": 60.0,
            "micro_batches": 1,
            "compute": {},
            "inference": {"tensor_parallel": 1, "memory_share": 0.4},
        }
    )
    return sum(process.cpu_times()[:2]) - begun


def _ours(artifacts, cells, folder):
    """Each cell, and the CPU and wall seconds that start and imports took, which no cell is charged with."""
    made = []
    with StageProcess() as stage:
        # The smallest once more in front: what its first making takes above its second is start and imports.
        for number, cell in enumerate([cells[0], *cells]):
            key = cell["artifacts"]["checkpoint"]
            into = folder / (key if number else "first")
            begun = time.monotonic()
            cpu = _make(stage, artifacts, key, folder, into)
            wall = time.monotonic() - begun
            steps = pq.read_table(into / "measured.parquet")["seconds"].to_pylist()
            made.append(Cell(cell["axes"]["amount"], cell["artifacts"], cpu, wall, sum(steps)))
            _tell(f"ours, {'' if number else 'with start, '}amount {made[-1].amount}: {cpu:.1f} CPU s")
    first, *rest = made
    return rest, Cell(
        0, {}, first.cpu - rest[0].cpu, first.wall - first.stepping - rest[0].wall + rest[0].stepping
    )


def _theirs(artifacts, cell, folder):
    """The same cell by a process of its own."""
    key = cell["artifacts"]["checkpoint"]
    artifact, rows = artifacts[key], folder / "rows.jsonl"
    pool = pq.read_table(folder / artifact["inputs"]["pool"] / "pool.parquet")
    subset = select(pool, None, artifact["spec"]["subset"]).select(["query", "response"]).to_pylist()
    rows.write_text("".join(json.dumps(row) + "\n" for row in subset))
    arguments = [folder / artifact["inputs"]["base"], rows, json.dumps(artifact["spec"]["train"])]
    arguments += [artifact["spec"]["train_seed"], folder / f"{key}.plain"]
    begun = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime
    _tell(f"Trainer, amount {cell['axes']['amount']}: {cpu:.1f} CPU s")
    return Cell(cell["axes"]["amount"], cell["artifacts"], cpu)


def _tell(text):
    sys.stderr.write(text + "\n")


def _n_right(stage, artifacts, keys, folder, suffix):
    """How many items of the benchmark a checkpoint answers right, as a fraction."""
    [record], [completions] = keys["record"].values(), keys["completions"].values()
    weights, answers = folder / f"{keys['checkpoint']}{suffix}", folder / f"{completions}{suffix}"
    _make(stage, artifacts, completions, folder, answers, {"weights": weights})
    into = folder / f"{record}{suffix}"
    _make(stage, artifacts, record, folder, into, {"completions": answers})
    counts = json.loads((into / "record.json").read_text())
    return counts["n_correct"] / counts["n_items"]


def _print(ours, theirs, right, start):
    print("amount   ours, CPU s   Trainer, CPU s   ratio   accuracy of ours and Trainer's")
    for own, plain, (one, other) in zip(ours, theirs, right, strict=True):
        print(
            f"{own.amount:>6}{own.cpu:14.1f}{plain.cpu:17.1f}{plain.cpu / own.cpu:8.2f}"
            f"   {one:.3f} {other:.3f}"
        )
    print(f"start and imports of our process: {start.cpu:.1f} CPU s, once for each worker")
    total = WORKERS * start.cpu + _study(ours, "cpu")
    other = _study(theirs, "cpu")
    print(
        f"{sum(STUDY.values())} checkpoints, extrapolated: {total:.0f} and {other:.0f} s, "
        f"{other / total:.2f} x"
    )
    wall = WORKERS * start.wall + _study(ours, "wall")
    print(f"outside of steps (start, loading, encoding, saving): {1 - _study(ours, 'stepping') / wall:.1%}")


def _study(cells, what):
    """Of all checkpoints, by a line through the cells measured."""
    amounts, seconds = [cell.amount for cell in cells], [getattr(cell, what) for cell in cells]
    slope, intercept = np.polyfit(amounts, seconds, 1)
    return sum(n * (intercept + slope * amount) for amount, n in STUDY.items())


if __name__ == "__main__":
    main()
