"""The smallest study that goes the whole way: what the miniature does, on a world of a few words."""

import os
import subprocess
import sys
from pathlib import Path

from orchestrator.settings import Analysis, LocalCluster, Resources, Settings, SlurmCluster

ROOT = Path(__file__).resolve().parent.parent

OVERRIDES = (
    "study=tiny",
    "data.seed.n_items=12",
    "data.seed.world.n_units=40",
    "data.seed.world.n_everyday_units=8",
    "data.decontaminate.mini_test.n_items=10",
    "data.decontaminate.mini_ood.n_items=8",
    "evaluate.benchmarks.mini_test.source.n_items=10",
    "evaluate.benchmarks.mini_ood.source.n_items=8",
    "model.hidden_size=16",
    "model.intermediate_size=32",
    "model.n_layers=1",
    "model.n_heads=2",
    "model.pretrain.tokens=3000",
    "train.budget.value=1.0",
)
AXES = ("strategy=queries,responses", "strategy.rows=32", "amount=4,8,16", "seed=0,1")

# How a study would be run that is only looked at.
CLUSTER = LocalCluster(
    kind="local",
    name="local",
    workers=1,
    threads=1,
    gpus=0,
    flops_per_second=1e9,
    failures=3,
    save_every=60.0,
    tries={},
)
RESOURCES = Resources(
    cpus=1,
    gpus=0,
    nodes=1,
    memory_gib=2.0,
    minutes=60.0,
    partition=None,
    account=None,
    qos=None,
    constraint=None,
    gres=None,
    exclude=None,
    python=None,
)
SLURM = SlurmCluster(
    kind="slurm",
    name="slurm",
    flops_per_second=1e9,
    failures=3,
    save_every=60.0,
    tries={},
    resources=RESOURCES,
    stages={},
    models={},
    target_minutes=5.0,
    max_parallel=None,
    max_queued=None,
    most_minutes=None,
    most_memory_gib=None,
    warn_seconds=90,
    requeue=True,
    setup=(),
    sbatch={},
    driver=None,
)
ANALYSIS = Analysis(law="loglinear", metric="accuracy", references=(), compare=(), by_construction="")
SETTINGS = Settings(
    study="s", outputs="outputs", wait=None, format="text", cluster=CLUSTER, analysis=ANALYSIS
)


def command(verb: str, outputs: Path, *overrides: str) -> list[str]:
    """A tiny study on the command line."""
    return [sys.executable, "-m", "orchestrator", verb, *OVERRIDES, *overrides, f"outputs={outputs}"]


def environment(tmp_path: Path) -> dict[str, str]:
    """Slots of its own, so that tests which run side by side do not wait for one another."""
    place = tmp_path / "tmp"
    place.mkdir(exist_ok=True)
    return {**os.environ, "TMPDIR": str(place), "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def doublings(
    tmp_path: Path, verb: str, *overrides: str, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run a verb on the tiny study to its end."""
    return run_to_its_end(command(verb, tmp_path / "outputs", *overrides), tmp_path, timeout)


def run_to_its_end(
    arguments: list[str], tmp_path: Path, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run any command to its end."""
    return subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env=environment(tmp_path),
    )
