"""Estimates of cost, against what was really made."""

from typing import Any

import pytest

from experiments.cost import answer
from experiments.model import new_llama, words_tokenizer
from experiments.world import vocabulary
from orchestrator.cell import NewModel
from orchestrator.specs import World

WORLD = {"seed": 0, "n_units": 2000, "n_everyday_units": 64, "zipf_alpha": 1.0, "zipf_offset": 6.0}
GIVEN = {"kind": "symbolic", "world": WORLD, "part": "seed", "n_items": 400}
TABLE = {"kind": "table", "digest": "d", "query": "q", "response": "r", "source": None}
MODEL = {
    "hidden_size": 96,
    "intermediate_size": 384,
    "n_layers": 2,
    "n_heads": 4,
    "context": 64,
    "init_seed": 0,
    "tokenizer": "words",
    "vocabulary": None,
    "prompt": "{query} ->",
    "pretrain": {"tokens": 930_000},
}


@pytest.fixture(scope="module")
def n_parameters() -> int:
    """Of the miniature's base, as it is really built."""
    tokenizer = words_tokenizer(["->", *vocabulary(World.model_validate(WORLD))], 64)
    llama = new_llama(
        NewModel.model_validate({**MODEL, "kind": "new", "name": "mini", "pretrain": None}), tokenizer
    )
    return sum(weight.numel() for weight in llama.parameters())


def described(kind: str, spec: Any, summary: Any = None, **inputs: Any) -> dict[str, Any]:
    return {"kind": kind, "spec": spec, "summary": summary, "inputs": inputs}


def pool(rows: int, summary: Any = None) -> dict[str, Any]:
    strategy = {"kind": "symbolic", "name": "queries", "rows": rows}
    return described("pool", {"seed": GIVEN, "strategy": strategy}, summary)


BASE = described("base", {"model": MODEL, "world": WORLD})


def checkpoint(n: int, unit: str = "examples", budget: Any = None, **inputs: Any) -> dict[str, Any]:
    train = {"budget": budget or {"unit": "epochs", "value": 3.0}, "batch_size": 8, "rehearsal": 2}
    spec = {"subset": {"n": n, "unit": unit}, "train": train}
    return described("checkpoint", spec, None, **{"base": BASE, "pool": pool(8192), **inputs})


def completions(**spec: Any) -> dict[str, Any]:
    spec = {"source": GIVEN, "max_new_tokens": 40, **spec}
    return described("completions", spec, None, weights=checkpoint(128))


def cost(artifact: dict[str, Any]) -> dict[str, Any]:
    [one] = answer([artifact], {})["costs"]
    return one


def test_a_base_has_the_parameters_of_its_formula(n_parameters: int) -> None:
    assert cost(BASE)["flops"] == 6 * n_parameters * 930_000
    assert cost(BASE)["bytes"] > 4 * n_parameters
    unread = described("base", {"model": {**MODEL, "pretrain": None}, "world": WORLD})
    assert cost(unread) == {
        **{"tokens": 0, "flops": 0.0, "bytes": 4 * n_parameters, "memory": None, "dollars": None},
        "shared_tokens": 0,
        "state": 2 * 12 * n_parameters,
    }


def test_training_costs_what_its_budget_says(n_parameters: int) -> None:
    once = cost(checkpoint(1000))["tokens"]
    assert cost(checkpoint(2000))["tokens"] == pytest.approx(2 * once)
    assert once == pytest.approx(3 * 1000 * 41 * 1.25, rel=0.01)
    steps = checkpoint(1000, budget={"unit": "steps", "value": 375.0})
    examples = checkpoint(10, budget={"unit": "examples", "value": 3000.0})
    assert cost(steps)["tokens"] == cost(examples)["tokens"] == once
    assert cost(steps)["flops"] == 6 * n_parameters * once


def test_a_pool_that_was_made_is_counted_and_not_guessed() -> None:
    summary = {"n_rows": 100, "n_queries": 25, "n_tokens_estimate": 8200}
    counted = checkpoint(10, "queries", pool=pool(8192, summary))
    assert cost(counted)["tokens"] == pytest.approx(3 * 40 * 82 + 3 * 40 / 8 * 2 * 41)


def test_the_seed_set_is_trained_on_as_well() -> None:
    seed = described("pool", {"seed": GIVEN, "strategy": {"kind": "seed", "name": "seed"}})
    assert cost(checkpoint(600, seed=seed))["tokens"] == cost(checkpoint(1000))["tokens"]


def test_likelihood_reads_everything_once_more(n_parameters: int) -> None:
    assert cost(completions(likelihood=True))["tokens"] == 2 * cost(completions(likelihood=False))["tokens"]
    assert cost(completions(likelihood=False))["flops"] == 2 * n_parameters * 400 * 41


def test_every_sample_is_generated_and_the_prompt_is_read_once() -> None:
    once = cost(completions(likelihood=False))
    thrice = cost(completions(likelihood=False, sampling={"n": 3}))
    assert thrice["tokens"] == 2 * once["tokens"]
    assert thrice["bytes"] == 3 * once["bytes"]


def test_costs_come_in_the_order_of_the_artifacts() -> None:
    record = described("record", {"source": TABLE}, None, completions=completions(likelihood=True))
    table = described("pool", {"seed": TABLE, "strategy": {"kind": "seed", "name": "seed"}})
    artifacts = [record, BASE, table, checkpoint(128)]
    assert answer(artifacts, {})["costs"] == [cost(artifact) for artifact in artifacts]
    assert cost(record)["flops"] == cost(table)["flops"] == 0.0
    assert cost(record)["bytes"] > 0
