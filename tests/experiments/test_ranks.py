"""Two processes that train one model, as a stage starts them, against one."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from experiments import pretrained
from experiments.how import How
from experiments.world import Row
from orchestrator.identity import TRUNK
from orchestrator.trunks import of_trunk
from tests.experiments.test_serve import Server, serving
from tests.experiments.test_trunk import spec_of
from tests.experiments.tiny_models import CONTEXT, model_spec, write_model
from tests.experiments.training import TRAIN, checkpoint_spec, quiet, write_pool

pytestmark = pytest.mark.slow

TWO = {"ranks": 2}
N_STEPS = 60
# By rounding: sums of float32 in another order.
CLOSE = {"rtol": 1e-3, "atol": 2e-5}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


def make(
    server: Server,
    inputs: dict[str, Path],
    spec: dict[str, Any],
    into: Path,
    kind: str = "checkpoint",
    **more: Any,
) -> dict[str, Any]:
    into.mkdir(exist_ok=True)
    server.make(kind, spec, into, inputs={role: str(path) for role, path in inputs.items()}, **more)
    return server.answer()


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (path,) = folder.glob("*.safetensors")
    return load_file(path)


def followers(server: Server) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def test_two_ranks_train_what_one_does_and_share_every_batch(
    server: Server, inputs: dict[str, Path], tmp_path: Path
) -> None:
    alone = make(server, inputs, checkpoint_spec(), tmp_path / "alone")["result"]
    assert not followers(server)
    two = make(server, inputs, checkpoint_spec(), tmp_path / "two", compute=TWO)["result"]
    assert len(followers(server)) == 1
    assert two["n_tokens"] == alone["n_tokens"]
    assert two["final_loss"] == pytest.approx(alone["final_loss"], rel=1e-4)
    torch.testing.assert_close(weights(tmp_path / "two"), weights(tmp_path / "alone"), **CLOSE)
    courses = [pq.read_table(tmp_path / name / "training.parquet") for name in ("alone", "two")]
    assert courses[0]["n_tokens"] == courses[1]["n_tokens"]
    # The same ranks again: the same bytes.
    make(server, inputs, checkpoint_spec(), tmp_path / "again", compute=TWO)
    for name in ("model.safetensors", "subset.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_trunk_and_its_cooldown_by_two_ranks(
    server: Server, inputs: dict[str, Path], tmp_path: Path
) -> None:
    spec = spec_of(32)
    make(server, inputs, spec, tmp_path / "alone", compute=TWO)
    trunk = make(server, inputs, of_trunk(spec), tmp_path / "trunk", kind="trunk", compute=TWO)
    assert trunk["result"]["n_steps"] == 6
    make(server, {**inputs, TRUNK: tmp_path / "trunk"}, spec, tmp_path / "branch", compute=TWO)
    branch, alone = (tmp_path / name / "model.safetensors" for name in ("branch", "alone"))
    assert branch.read_bytes() == alone.read_bytes()


LORA = {"rank": 4, "alpha": 8, "dropout": 0.2, "targets": "all-linear"}


@pytest.fixture
def with_dropout(tmp_path: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """A model of the hub with adapters whose dropout every rank draws for itself, and steps for it."""
    rows = [Row(str(n), "numbers", 0, f"{n} + {n} = ?", f"{'1 ' * (n % 5)}so {2 * n}") for n in range(12)]
    pool = write_pool(tmp_path / "pool", rows)
    known = pretrained.inspect(model_spec(write_model(tmp_path / "qwen2", "qwen2")))
    base = tmp_path / "base"
    base.mkdir()
    pretrained.link(known["folder"], known["digest"], base, quiet)
    recipe = {**TRAIN, "embedding_rate_factor": 1.0, "rehearsal": 0, "lora": LORA}
    recipe["budget"] = {"unit": "steps", "value": float(N_STEPS)}
    subset = {"n": 12, "unit": "examples", "order": "breadth", "seed": 0}
    spec = {
        "version": 1, "train": recipe, "train_seed": 0, "subset": subset, "prompt": "Q: {query} A:",
        "context": CONTEXT, "dtype": "float32",
    }  # fmt: skip
    return {"base": base, "pool": pool}, spec


SRUN = """#!/bin/sh
echo "$@" >> "$SRUN_CALLS"
while case "$1" in --*) true;; *) false;; esac; do shift; done
exec "$@"
"""


@pytest.fixture
def two_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Slurm's commands as a job of two nodes sees them, both of which are here; the file of srun's calls."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, script in (("srun", SRUN), ("scontrol", "#!/bin/sh\necho one two | tr ' ' '\\n'\n")):
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    calls = tmp_path / "calls"
    job = {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_NODELIST": "one,two", "SLURMD_NODENAME": "two"}
    for name, value in {**job, "SRUN_CALLS": str(calls)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    return calls


def test_a_training_whose_rank_died_says_so_and_goes_on_to_the_same_bytes(
    server: Server, with_dropout: tuple[dict[str, Path], dict[str, Any]], tmp_path: Path, two_nodes: Path
) -> None:
    inputs, spec = with_dropout
    into, state = tmp_path / "killed", tmp_path / "killed.state"
    with serving() as stage:
        refused = make(stage, inputs, spec, into, compute={"ranks": 3})["refused"]
        assert "cannot be dealt out evenly to 2 nodes" in refused
        folders = {role: str(path) for role, path in inputs.items()}
        stage.make("checkpoint", spec, into, inputs=folders, compute=TWO, save_every=0.01)
        _wait_for(lambda: any(state.glob("*.json")))
        (follower,) = followers(stage)
        follower.kill()
        failed = stage.answer()["failed"]
        assert failed["message"].startswith("rank 1 of the training: it was killed by signal 9")
        assert failed["cause"] == "killed"
        assert stage.process.wait(timeout=60) == 1
    (call,) = two_nodes.read_text().splitlines()
    assert "--overlap" in call
    assert "--nodelist=one" in call
    assert 0 < max(int(path.stem) for path in state.glob("*.json")) < N_STEPS
    shutil.copytree(state, tmp_path / "fewer.state")
    name = "adapter_model.safetensors"
    for folder in (tmp_path / "whole", into):
        assert make(server, inputs, spec, folder, compute=TWO)["result"]["n_steps"] == N_STEPS
    assert (into / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    # Fewer ranks go on too, and say that it is not the same.
    left = followers(server)
    (tmp_path / "fewer").mkdir()
    server.make("checkpoint", spec, tmp_path / "fewer", inputs=folders)
    assert server.receive()["note"].endswith("with 1 ranks after 2: last bits may differ")
    assert server.answer()["result"]["n_steps"] == N_STEPS
    assert not psutil.wait_procs(left, timeout=60)[1]


def test_ranks_share_what_memory_allows_each_of_them() -> None:
    assert How().n_parts(128, n_ranks=8) == 8
    assert How(rows_at_once=4).n_parts(128, n_ranks=8) == 32
    assert How(micro_batches=2).n_parts(128, n_ranks=8) == 16


def _wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 900  # imports of two processes, on a machine that may be busy
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
