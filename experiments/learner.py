"""A model as training sees it: the weights that it trains, and the logits where an answer is predicted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from experiments.batches import Batch
from experiments.how import Layout
from experiments.llama import answer_logits, rotation
from experiments.packed import packed, told


@dataclass(frozen=True)
class Learner:
    """A causal language model, and how it predicts the tokens of a batch that count."""

    model: Any
    predict: Callable[[Batch], Tensor]  # logits, a row for each of the batch's targets
    lay_out: Callable[[Batch], Batch]  # as `predict` wants it

    def trained(self) -> list[Tensor]:
        """The weights that training changes, in the order of the model."""
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    def embeddings(self) -> Tensor:
        """The weights of the input embedding."""
        weight: Tensor = self.model.get_input_embeddings().weight
        return weight


def of_new(llama: Any, layout: Layout = "padded") -> Learner:
    """A Llama made from nothing: by a forward pass of our own, which is faster where models are tiny."""
    turn = rotation(llama)
    if layout == "packed":
        return Learner(llama, lambda batch: answer_logits(llama, batch, turn, apart=True), packed)
    return Learner(llama, lambda batch: answer_logits(llama, batch, turn), _as_it_is)


def of_any(model: Any, precision: str, layout: Layout = "padded") -> Learner:
    """Any causal language model of transformers, on the device it is on; dropout is what the model says.

    To be packed it must be loaded with `packed.attention_for`.
    """
    model.train()
    if layout == "packed":
        return Learner(model, lambda batch: _packed_logits(model, batch, precision), packed)
    return Learner(model, lambda batch: _padded_logits(model, batch, precision), _as_it_is)


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _padded_logits(model: Any, batch: Batch, precision: str) -> Tensor:
    """Rows are padded on the right, where causal attention never looks, so no mask slows it down."""
    rows, length = batch.tokens.shape
    # The head computes as little as it can be told to: columns from the first answer of any row on.
    first = int((batch.answers % length).min())
    places = batch.answers // length * (length - first) + batch.answers % length - first
    logits = _logits(model, batch.tokens, torch.arange(first, length), precision)
    return logits.reshape(rows * (length - first), -1).index_select(0, places.to(logits.device)).float()


def _packed_logits(model: Any, batch: Batch, precision: str) -> Tensor:
    """All logits of the row that count, and no other."""
    given = told(model, batch.lengths)
    return _logits(model, batch.tokens, batch.answers, precision, **given)[0].float()


def _logits(model: Any, tokens: Tensor, columns: Tensor, precision: str, **given: Tensor) -> Tensor:
    """Of some columns of every row."""
    tokens, columns = tokens.to(model.device), columns.to(model.device)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits: Tensor = model(input_ids=tokens, use_cache=False, logits_to_keep=columns, **given).logits
    # Not every model knows `logits_to_keep`.
    return logits if logits.shape[1] == len(columns) else logits.index_select(1, columns)
