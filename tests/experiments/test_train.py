import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from experiments import model as models
from experiments.batches import Example, ShuffledBatches
from experiments.text import row_id
from experiments.train import n_steps
from experiments.world import Row, items
from orchestrator.cell import Train
from orchestrator.refusal import Refused
from tests.experiments.interrupting import same_files
from tests.experiments.training import (
    SUBSET,
    TRAIN,
    base_spec,
    checkpoint_spec,
    made,
    made_base,
    source,
    weights,
    write_pool,
)


def test_a_checkpoint_is_a_folder_with_its_subset_and_its_course(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    summary = made(inputs, tmp_path / "made", checkpoint_spec())
    subset = pq.read_table(tmp_path / "made/subset.parquet")
    course = pq.read_table(tmp_path / "made/training.parquet")
    assert subset.column_names == ["position", "row_id", "source_id", "role"]
    assert course.column_names == [
        *("step", "loss", "learning_rate", "n_tokens", "grad_norm", "n_examples", "n_read")
    ]
    assert subset["position"].to_pylist() == list(range(16))
    assert course["step"].to_pylist() == list(range(1, 9))
    assert summary == {
        "n_rows": 16,
        "n_dropped": 0,
        "n_truncated": 0,
        "n_steps": 8,
        "n_tokens": sum(course["n_tokens"].to_pylist()),
        "n_read": sum(course["n_read"].to_pylist()),
        "final_loss": course["loss"][-1].as_py(),
    }
    assert models.load(tmp_path / "made").tokenizer.eos_token == models.END


def test_the_seed_set_may_ride_along(inputs: dict[str, Path], tmp_path: Path) -> None:
    seeds = [Row(p.source_id, "seed", 0, p.query, p.response) for p in items(source("seed", 12))]
    given = {**inputs, "seed": write_pool(tmp_path / "seed", seeds)}
    assert made(given, tmp_path / "made", checkpoint_spec())["n_rows"] == 16 + 12


@pytest.mark.slow
def test_a_larger_amount_begins_with_the_smaller_one(inputs: dict[str, Path], tmp_path: Path) -> None:
    larger = {**checkpoint_spec(), "subset": {**SUBSET, "n": 32}}
    made(inputs, tmp_path / "few", checkpoint_spec())
    made(inputs, tmp_path / "many", larger)
    few, many = (pq.read_table(tmp_path / name / "subset.parquet") for name in ("few", "many"))
    assert many.slice(0, 16).equals(few)


@pytest.mark.slow
def test_the_same_spec_gives_the_same_bytes_in_another_process(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    made(inputs, tmp_path / "here", checkpoint_spec())
    (tmp_path / "there").mkdir()
    program = (
        "import json, pathlib, sys; from experiments.train import make_checkpoint;"
        "from experiments.resume import Resumption;"
        "spec, inputs, into = map(json.loads, sys.argv[1:]);"
        "make_checkpoint(spec, {role: pathlib.Path(folder) for role, folder in inputs.items()},"
        " pathlib.Path(into), lambda share, note: None, Resumption(pathlib.Path(into), 60.0))"
    )
    folders = {role: str(folder) for role, folder in inputs.items()}
    arguments = [json.dumps(value) for value in (checkpoint_spec(), folders, str(tmp_path / "there"))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, env=environment)
    assert same_files(tmp_path / "here", tmp_path / "there")


def test_another_training_seed_gives_other_weights_from_the_same_subset(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    for seed in (0, 1):
        made(inputs, tmp_path / str(seed), checkpoint_spec(train_seed=seed))
    one, other = (tmp_path / name for name in ("0", "1"))
    assert weights(one) != weights(other)
    assert (one / "subset.parquet").read_bytes() == (other / "subset.parquet").read_bytes()


def test_training_with_and_without_rehearsal_differ(inputs: dict[str, Path], tmp_path: Path) -> None:
    with_it = made(inputs, tmp_path / "with", checkpoint_spec())
    without = made(inputs, tmp_path / "without", checkpoint_spec(rehearsal=0))
    assert with_it["n_steps"] == without["n_steps"]
    assert with_it["n_tokens"] > without["n_tokens"]


def test_examples_of_like_length_or_as_drawn_are_two_trainings_of_the_same_subset(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    made(inputs, tmp_path / "grouped", checkpoint_spec())
    made(inputs, tmp_path / "drawn", checkpoint_spec(group_by_length=False))
    padding = [
        sum(pq.read_table(tmp_path / name / "measured.parquet")["n_padding"].to_pylist())
        for name in ("grouped", "drawn")
    ]
    assert padding[0] < padding[1]
    assert weights(tmp_path / "grouped") != weights(tmp_path / "drawn")
    subsets = [(tmp_path / name / "subset.parquet").read_bytes() for name in ("grouped", "drawn")]
    assert subsets[0] == subsets[1]


def test_rehearsal_from_a_base_that_read_nothing_is_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    made_base({}, tmp_path / "base", base_spec(pretrain=None))
    with pytest.raises(Refused, match=r"set train\.rehearsal to 0"):
        made({**inputs, "base": tmp_path / "base"}, tmp_path / "made", checkpoint_spec())


def test_a_row_longer_than_the_context_is_refused_by_name(inputs: dict[str, Path], tmp_path: Path) -> None:
    long = Row("seed-1", "numbers", 0, "sam has 3", "1 " * 70)
    given = {**inputs, "pool": write_pool(tmp_path / "pool", [long])}
    spec = {**checkpoint_spec(), "subset": {**SUBSET, "n": 1}}
    with pytest.raises(Refused, match=rf"{row_id(long.query, long.response)} has 4 .* and 70 .* of 64"):
        made(given, tmp_path / "made", spec)


@pytest.mark.parametrize(
    ("unit", "value", "n_examples", "expected"),
    [
        ("epochs", 3.0, 10, 9),
        ("epochs", 0.5, 16, 2),
        ("epochs", 0.001, 16, 1),
        ("steps", 7.0, 1000, 7),
        ("examples", 10.0, 1000, 3),
        ("tokens", 17.0, 1000, 3),
    ],
)
def test_the_budget_says_how_many_steps(unit: str, value: float, n_examples: int, expected: int) -> None:
    train = Train.model_validate({**TRAIN, "budget": {"unit": unit, "value": value}})
    batches = ShuffledBatches([Example((1, 2), 1)] * n_examples, train.batch_size, [], 0, 0)
    assert n_steps(train, batches) == expected
