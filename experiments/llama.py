"""The forward pass of a Llama, reduced to what training asks: logits where an answer is predicted."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - as everybody writes it

from experiments.batches import Batch
from experiments.packed import attend, positions


@dataclass(frozen=True)
class Rotation:
    """Cosines and signed sines of the rotary embedding, one row per position."""

    cosines: Tensor
    sines: Tensor

    def at(self, places: Tensor | slice) -> "Rotation":
        """The rows of some positions."""
        return Rotation(self.cosines[places], self.sines[places])


@dataclass(frozen=True)
class _Rows:
    """How states, which are flat, lie in rows."""

    shape: torch.Size
    turn: Rotation  # a row for each place in a row
    lengths: list[int] | None  # of the examples in a packed row


def rotation(llama: Any) -> Rotation:
    """Tabulate the rotary embedding for every position of the context."""
    config = llama.config
    positions = torch.arange(config.max_position_embeddings, dtype=torch.float32)
    angles = torch.outer(positions, llama.model.rotary_emb.inv_freq.float())
    return Rotation(
        torch.cat([angles.cos(), angles.cos()], dim=-1), torch.cat([-angles.sin(), angles.sin()], dim=-1)
    )


def answer_logits(llama: Any, batch: Batch, turn: Rotation, *, apart: bool = False) -> Tensor:
    """Return the logits at the answers of a batch, whose rows are padded on the right, or packed (`apart`).

    The same numbers as `llama(tokens).logits`, without the head and the last layer's work elsewhere.
    """
    rows = _rows(batch, turn, apart=apart)
    states = F.embedding(batch.tokens, llama.model.embed_tokens.weight).flatten(0, 1)
    *layers, last = llama.model.layers
    for layer in layers:
        states = states + _attention(layer, states, rows)
        states = states + _feed_forward(layer, states)
    attended = _attention(last, states, rows, only=batch.answers)
    states = states.index_select(0, batch.answers) + attended
    states = states + _feed_forward(last, states)
    return F.linear(_norm(llama.model.norm, states), llama.lm_head.weight)


def _rows(batch: Batch, turn: Rotation, *, apart: bool) -> _Rows:
    if apart:
        return _Rows(batch.tokens.shape, turn.at(positions(batch.lengths)), batch.lengths.tolist())
    return _Rows(batch.tokens.shape, turn.at(slice(batch.tokens.shape[1])), None)


def _attention(layer: Any, states: Tensor, rows: _Rows, only: Tensor | None = None) -> Tensor:
    block = layer.self_attn
    normed = _norm(layer.input_layernorm, states)
    queries = _rotated(_heads(block.q_proj, normed, rows, block.head_dim), rows.turn)
    keys = _rotated(_heads(block.k_proj, normed, rows, block.head_dim), rows.turn)
    values = _heads(block.v_proj, normed, rows, block.head_dim)
    if rows.lengths is None:
        mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
    else:
        mixed = attend(queries, keys, values, rows.lengths)
    flat = mixed.transpose(1, 2).reshape(len(states), -1)
    return F.linear(flat if only is None else flat.index_select(0, only), block.o_proj.weight)


def _heads(projection: Any, states: Tensor, rows: _Rows, head_dim: int) -> Tensor:
    return F.linear(states, projection.weight).view(*rows.shape, -1, head_dim).transpose(1, 2)


def _rotated(heads: Tensor, turn: Rotation) -> Tensor:
    return heads * turn.cosines + heads.roll(heads.shape[-1] // 2, -1) * turn.sines


def _feed_forward(layer: Any, states: Tensor) -> Tensor:
    normed = _norm(layer.post_attention_layernorm, states)
    gate = F.silu(F.linear(normed, layer.mlp.gate_proj.weight))
    return F.linear(gate * F.linear(normed, layer.mlp.up_proj.weight), layer.mlp.down_proj.weight)


def _norm(norm: Any, states: Tensor) -> Tensor:
    return F.rms_norm(states, norm.weight.shape, norm.weight, norm.variance_epsilon)
