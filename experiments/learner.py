"""A model as training sees it: the weights that it trains, and the logits where an answer is predicted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from experiments.batches import Batch
from experiments.llama import answer_logits, rotation


@dataclass(frozen=True)
class Learner:
    """A causal language model, and how it predicts the tokens of a batch that count."""

    model: Any
    predict: Callable[[Batch], Tensor]  # logits, a row for each of the batch's targets

    def trained(self) -> list[Tensor]:
        """The weights that training changes, in the order of the model."""
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    def embeddings(self) -> Tensor:
        """The weights of the input embedding."""
        weight: Tensor = self.model.get_input_embeddings().weight
        return weight


def of_new(llama: Any) -> Learner:
    """A Llama made from nothing: by a forward pass of our own, which is faster where models are tiny."""
    turn = rotation(llama)
    return Learner(llama, lambda batch: answer_logits(llama, batch.tokens, batch.answers, turn))


def of_any(model: Any, precision: str) -> Learner:
    """Any causal language model of transformers, on the device it is on; dropout is what the model says."""
    model.train()
    return Learner(model, lambda batch: _answer_logits(model, batch, precision))


def _answer_logits(model: Any, batch: Batch, precision: str) -> Tensor:
    """Rows are padded on the right, where causal attention never looks, so no mask slows it down."""
    rows, length = batch.tokens.shape
    # The head computes as little as it can be told to: columns from the first answer of any row on.
    first = int((batch.answers % length).min())
    columns = torch.arange(first, length, device=model.device)
    places = batch.answers // length * len(columns) + batch.answers % length - first
    with torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits = model(
            input_ids=batch.tokens.to(model.device), use_cache=False, logits_to_keep=columns
        ).logits
    # Not every model knows `logits_to_keep`.
    kept = logits[:, -len(columns) :].reshape(rows * len(columns), -1)
    wanted: Tensor = kept.index_select(0, places.to(model.device))
    return wanted.float()
