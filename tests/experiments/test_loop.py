import copy
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments import model as models
from experiments.batches import ShuffledBatches
from experiments.encode import Reading, Text, encode
from experiments.keeper import Keeper
from experiments.learner import of_new
from experiments.loop import DivergedError, NotFiniteError, Recipe, fit, rate
from experiments.training import Step
from orchestrator.cell import NewModel
from tests.experiments.training import MODEL, beside, quiet

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


@dataclass(frozen=True)
class Learner:
    """A model that has learnt nothing, what it may learn, and a folder for its state."""

    llama: Any
    batches: ShuffledBatches
    folder: Path

    def fit(self, recipe: Recipe, n_parts: int = 1) -> list[Step]:
        keeper = Keeper(beside(self.folder), "a learner", quiet)
        return fit(of_new(self.llama), self.batches, recipe, quiet, keeper, n_parts)


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    tokenizer = models.words_tokenizer(["->", *"abcdefgh"], 16)
    model = NewModel.model_validate({**MODEL, "kind": "new", "name": "tiny", "context": 16, "pretrain": None})
    texts = [Text(letter, letter, f"{letter} {letter}") for letter in "abcdefgh"]
    examples = encode(texts, Reading(tokenizer, "{query} ->", 16)).examples
    return Learner(models.new_llama(model, tokenizer), ShuffledBatches(examples, 4, [], 0, 0), tmp_path)


def test_the_loss_falls(learner: Learner) -> None:
    steps = learner.fit(RECIPE)
    assert steps[-1].loss < 0.8 * steps[0].loss
    assert [step.step for step in steps] == list(range(1, 21))


def test_the_loss_is_the_mean_over_the_tokens_that_count(learner: Learner) -> None:
    first = next(learner.batches)
    learner.batches.seek(0)
    logits = learner.llama(first.tokens).logits.flatten(0, 1)[first.answers]
    one_by_one = torch.nn.functional.cross_entropy(logits, first.targets, reduction="none")
    loss = learner.fit(replace(RECIPE, n_steps=1))[0].loss
    assert loss == pytest.approx(one_by_one.sum().item() / first.n_tokens, rel=1e-5)


def test_a_loss_that_is_not_finite_stops_at_its_step(learner: Learner) -> None:
    with torch.no_grad():
        learner.llama.model.norm.weight[0] = math.inf
    with pytest.raises(NotFiniteError, match=r"at step 1 of 20.*lower train\.learning_rate"):
        learner.fit(RECIPE)


@pytest.mark.slow
def test_a_loss_that_stays_far_above_its_beginning_stops_with_a_cause(learner: Learner) -> None:
    learner.fit(replace(RECIPE, n_steps=150, learning_rate=1e-3, warmup_share=1.0))
    with pytest.raises(DivergedError, match=r"loss diverged: .* at step \d+ of 400.*lower train"):
        # What it has learnt is its beginning: large steps only make it worse.
        learner.fit(replace(RECIPE, n_steps=400, learning_rate=3.0, warmup_share=0.9, clip=1e3))


@pytest.mark.parametrize("n_parts", [2, 3, 9])
def test_a_batch_taken_in_parts_teaches_the_same(learner: Learner, tmp_path: Path, n_parts: int) -> None:
    other = Learner(copy.deepcopy(learner.llama), learner.batches, tmp_path / "other")
    whole = learner.fit(RECIPE)
    learner.batches.seek(0)
    in_parts = other.fit(RECIPE, n_parts)
    assert [step.loss for step in in_parts] == pytest.approx([step.loss for step in whole], rel=1e-4)
    assert [step.n_tokens for step in in_parts] == [step.n_tokens for step in whole]
    for ours, theirs in zip(learner.llama.parameters(), other.llama.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
