import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments import model as models
from experiments.base import make_base, read_rehearsal
from experiments.batches import Batch, shuffled_batches
from experiments.encode import Text, encode
from experiments.loop import NotFiniteError, Recipe, fit, rate
from experiments.text import row_id
from experiments.train import make_checkpoint, n_steps
from experiments.world import Row, augmented, items
from orchestrator.refusal import Refused
from orchestrator.specs import Model, SymbolicSource, SymbolicStrategy, Train, World

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
RECIPE = Recipe(
    n_steps=20,
    learning_rate=1e-2,
    embedding_rate_factor=1.0,
    warmup_share=0.2,
    final_rate_share=0.1,
    weight_decay=0.0,
    betas=(0.9, 0.98),
    clip=1.0,
)
SUBSET = {"n": 16, "unit": "examples", "order": "breadth", "seed": 0}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("inputs")
    strategy = SymbolicStrategy(
        kind="symbolic",
        name="queries",
        operations=("numbers", "concepts"),
        new_fact_share=0.5,
        rows=64,
        generator_seed=0,
    )
    pool = write_pool(folder / "pool", list(islice(augmented(strategy, source("seed", 12), frozenset()), 64)))
    (folder / "base").mkdir()
    make_base(base_spec(), {}, folder / "base", quiet)
    return {"base": folder / "base", "pool": pool}


def made(inputs: dict[str, Path], into: Path, spec: dict[str, Any]) -> dict[str, Any]:
    into.mkdir()
    return make_checkpoint(spec, inputs, into, quiet)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_a_base_tells_what_it_read(tmp_path: Path) -> None:
    summary = make_base(base_spec(), {}, tmp_path, quiet)
    loaded = models.load(tmp_path)
    assert 4000 <= summary["n_tokens"] < 4000 + MODEL["context"]
    assert summary["vocabulary"] == len(loaded.tokenizer)
    assert summary["n_parameters"] == sum(weight.numel() for weight in loaded.llama.parameters())


def test_reading_changes_the_weights_and_the_tokenizer_stays(tmp_path: Path, inputs: dict[str, Path]) -> None:
    make_base(base_spec(pretrain=None), {}, tmp_path, quiet)
    assert not (tmp_path / "rehearsal.parquet").exists()
    assert weights(tmp_path) != weights(inputs["base"])
    for name in ("tokenizer.json", "config.json"):
        assert (tmp_path / name).read_bytes() == (inputs["base"] / name).read_bytes()


def test_the_base_knows_every_word_of_the_prompt_and_of_the_pool(inputs: dict[str, Path]) -> None:
    loaded = models.load(inputs["base"])
    tokenizer = loaded.tokenizer
    assert max(tokenizer.get_vocab().values()) < loaded.llama.config.vocab_size
    for problem in items(source("test", 10)):
        asked = MODEL["prompt"].format(query=problem.query)
        assert tokenizer.unk_token_id not in tokenizer(f"{asked} {problem.response}")["input_ids"]


def test_a_tokenizer_of_byte_pairs_is_learnt_from_the_seed_pool(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    spec = {
        **base_spec(tokenizer="bpe", vocabulary=320, pretrain=None),
        "world": None,
        "decontaminate": [],
    }
    summary = make_base(spec, {"seed": inputs["pool"]}, tmp_path, quiet)
    assert summary == {**summary, "vocabulary": 320, "n_steps": 0, "n_tokens": 0}


@pytest.mark.parametrize("changes", [{}, {"pretrain": None}, {"tokenizer": "bpe", "vocabulary": 300}])
def test_a_base_of_the_world_without_a_world_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    seed = write_pool(tmp_path / "seed", [Row("a", "numbers", 0, "one", "two")])
    with pytest.raises(Refused, match="symbolic world"):
        make_base({**base_spec(**changes), "world": None}, {"seed": seed}, tmp_path, quiet)


def test_a_checkpoint_is_a_folder_with_its_subset_and_its_course(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    summary = made(inputs, tmp_path / "made", checkpoint_spec())
    subset = pq.read_table(tmp_path / "made/subset.parquet")
    course = pq.read_table(tmp_path / "made/training.parquet")
    assert subset.column_names == ["position", "row_id", "source_id", "role"]
    assert course.column_names == ["step", "loss", "learning_rate", "n_tokens", "grad_norm"]
    assert subset["position"].to_pylist() == list(range(16))
    assert course["step"].to_pylist() == list(range(1, 9))
    assert summary == {
        "n_rows": 16,
        "n_steps": 8,
        "n_tokens": sum(course["n_tokens"].to_pylist()),
        "final_loss": course["loss"][-1].as_py(),
    }
    assert models.load(tmp_path / "made").tokenizer.eos_token == models.END


def test_the_seed_set_may_ride_along(inputs: dict[str, Path], tmp_path: Path) -> None:
    seeds = [Row(p.source_id, "seed", 0, p.query, p.response) for p in items(source("seed", 12))]
    given = {**inputs, "seed": write_pool(tmp_path / "seed", seeds)}
    assert made(given, tmp_path / "made", checkpoint_spec())["n_rows"] == 16 + 12


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
        "spec, inputs, into = map(json.loads, sys.argv[1:]);"
        "make_checkpoint(spec, {role: pathlib.Path(folder) for role, folder in inputs.items()},"
        " pathlib.Path(into), lambda share, note: None)"
    )
    folders = {role: str(folder) for role, folder in inputs.items()}
    arguments = [json.dumps(value) for value in (checkpoint_spec(), folders, str(tmp_path / "there"))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", program, *arguments], check=True, env=environment)
    for file in (tmp_path / "here").iterdir():
        assert (tmp_path / "there" / file.name).read_bytes() == file.read_bytes(), file.name


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


def test_rehearsal_from_a_base_that_read_nothing_is_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    make_base(base_spec(pretrain=None), {}, tmp_path / "base", quiet)
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
    ],
)
def test_the_budget_says_how_many_steps(unit: str, value: float, n_examples: int, expected: int) -> None:
    train = Train.model_validate({**TRAIN, "budget": {"unit": unit, "value": value}})
    assert n_steps(train, n_examples) == expected


@given(st.integers(1, 500), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_rate_rises_to_its_peak_then_falls_to_its_end(steps: int, warmup: float, final: float) -> None:
    recipe = Recipe(steps, 2.0, 1.0, warmup, final, 0.0, (0.9, 0.98), 1.0)
    rates = [rate(recipe, step) for step in range(1, steps + 1)]
    n_warmup = round(warmup * steps)
    assert all(0.0 <= value <= 2.0 for value in rates)
    assert rates[:n_warmup] == sorted(rates[:n_warmup])
    assert rates[n_warmup:] == sorted(rates[n_warmup:], reverse=True)
    if n_warmup < steps:
        assert math.isclose(rates[-1], 2.0 * final, abs_tol=1e-9)


@pytest.fixture
def learner() -> tuple[Any, Iterator[Batch]]:
    tokenizer = models.words_tokenizer(["->", *"abcdefgh"], 16)
    model = Model.model_validate({**MODEL, "name": "tiny", "context": 16, "pretrain": None})
    texts = [Text(letter, letter, f"{letter} {letter}") for letter in "abcdefgh"]
    examples = encode(texts, tokenizer, "{query} ->", 16)
    return models.new_llama(model, tokenizer), shuffled_batches(examples, 4, [], 0, 0)


def test_the_loss_falls(learner: tuple[Any, Iterator[Batch]]) -> None:
    steps = fit(*learner, RECIPE, quiet)
    assert steps[-1].loss < 0.8 * steps[0].loss
    assert [step.step for step in steps] == list(range(1, 21))


def test_the_loss_is_the_mean_over_the_tokens_that_count(
    learner: tuple[Any, Iterator[Batch]],
) -> None:
    llama, batches = learner
    first = next(batches)
    logits = llama(first.tokens).logits.flatten(0, 1)[first.answers]
    one_by_one = torch.nn.functional.cross_entropy(logits, first.targets, reduction="none")
    loss = fit(llama, iter([first]), RECIPE, quiet)[0].loss
    assert loss == pytest.approx(one_by_one.sum().item() / first.n_tokens, rel=1e-5)


def test_a_loss_that_is_not_finite_stops_at_its_step(learner: tuple[Any, Iterator[Batch]]) -> None:
    llama, batches = learner
    with torch.no_grad():
        llama.model.norm.weight[0] = math.inf
    with pytest.raises(NotFiniteError, match=r"at step 1 of 20.*lower train\.learning_rate"):
        fit(llama, batches, RECIPE, quiet)


def test_rehearsal_reads_back_as_it_was_written(inputs: dict[str, Path]) -> None:
    rehearsal = read_rehearsal(inputs["base"])
    assert len(rehearsal) == 4000
    assert any(example.n_prompt == 0 for example in rehearsal)
    assert all(example.n_prompt < len(example.tokens) <= 65 for example in rehearsal)
