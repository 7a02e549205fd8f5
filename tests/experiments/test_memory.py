"""The peak of a training's memory, foretold and measured: every allocation of one step is counted."""

from typing import Any

import pytest
from torch.profiler import ProfilerActivity, profile
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from experiments import learner as learners
from experiments import lora
from experiments.batches import Example, ShuffledBatches
from experiments.keeper import Keeper
from experiments.loop import Recipe, fit
from experiments.memory import training_bytes
from experiments.pretrained import shape_of
from orchestrator.cell import Lora
from tests.experiments.training import beside, quiet

ROWS, LENGTH = 4, 128
SIZES: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 352,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1024,
    "max_position_embeddings": LENGTH,
}
LLAMA = LlamaConfig(**SIZES, tie_word_embeddings=False)
QWEN2 = Qwen2Config(**SIZES, tie_word_embeddings=True)
ADAPTERS = {"rank": 8, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}
RECIPE = Recipe(2, 1e-3, 1.0, 0.0, 0.0, 0.0, (0.9, 0.999), 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "train", "compute"),
    [
        (LLAMA, {}, {}),
        (QWEN2, {}, {}),
        (LLAMA, {}, {"rows_at_once": 1}),
        (LLAMA, {}, {"gradient_checkpointing": True}),
        (LLAMA, {"precision": "bfloat16"}, {}),
        (LLAMA, {"lora": ADAPTERS}, {}),
        (QWEN2, {"lora": {**ADAPTERS, "dropout": 0.1}}, {}),
    ],
)
def test_the_peak_of_a_step_is_foretold_within_fifteen_percent(
    config: Any, train: dict[str, Any], compute: dict[str, Any], tmp_path: Any
) -> None:
    recipe = {"batch_size": ROWS, **train}
    foretold = training_bytes(shape_of(config, 3.0), recipe, "float32", LENGTH, compute)
    assert measured(config, recipe, compute, tmp_path) == pytest.approx(foretold, rel=0.15)


def measured(config: Any, train: dict[str, Any], compute: dict[str, Any], tmp_path: Any) -> int:
    """The weights, and the most that two steps hold beside them at any time."""
    model = AutoModelForCausalLM.from_config(config)
    if "lora" in train:
        model = lora.with_adapters(model, Lora.model_validate(train["lora"]))
    if compute.get("gradient_checkpointing"):
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    learner = learners.of_any(model, train.get("precision", "float32"))
    examples = [Example(tuple(range(3, LENGTH + 4)), 1)] * ROWS
    batches = ShuffledBatches(examples, ROWS, [], 0, 0)
    n_parts = ROWS // compute.get("rows_at_once", ROWS)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        fit(learner, batches, RECIPE, quiet, Keeper(beside(tmp_path), "m", quiet), n_parts)
    held = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    now = peak = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return held + peak
