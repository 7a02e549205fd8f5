"""The forward pass of a Llama, reduced to what training asks: logits where an answer is predicted."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - as everybody writes it


@dataclass(frozen=True)
class Rotation:
    """Cosines and signed sines of the rotary embedding, one row per position."""

    cosines: Tensor
    sines: Tensor


def rotation(llama: Any) -> Rotation:
    """Tabulate the rotary embedding for every position of the context."""
    config = llama.config
    positions = torch.arange(config.max_position_embeddings, dtype=torch.float32)
    angles = torch.outer(positions, llama.model.rotary_emb.inv_freq.float())
    return Rotation(
        torch.cat([angles.cos(), angles.cos()], dim=-1), torch.cat([-angles.sin(), angles.sin()], dim=-1)
    )


def answer_logits(llama: Any, tokens: Tensor, answers: Tensor, turn: Rotation) -> Tensor:
    """Return the logits at the flat positions `answers` of rows that are padded on the right.

    The same numbers as `llama(tokens).logits`, without the head and the last layer's work elsewhere.
    """
    states = F.embedding(tokens, llama.model.embed_tokens.weight).flatten(0, 1)
    *layers, last = llama.model.layers
    for layer in layers:
        states = states + _attention(layer, states, tokens.shape, turn)
        states = states + _feed_forward(layer, states)
    attended = _attention(last, states, tokens.shape, turn, only=answers)
    states = states.index_select(0, answers) + attended
    states = states + _feed_forward(last, states)
    return F.linear(_norm(llama.model.norm, states), llama.lm_head.weight)


def _attention(
    layer: Any, states: Tensor, shape: torch.Size, turn: Rotation, only: Tensor | None = None
) -> Tensor:
    block = layer.self_attn
    rows, length = shape
    normed = _norm(layer.input_layernorm, states)
    queries = _rotated(_heads(block.q_proj, normed, rows, length, block.head_dim), turn)
    keys = _rotated(_heads(block.k_proj, normed, rows, length, block.head_dim), turn)
    values = _heads(block.v_proj, normed, rows, length, block.head_dim)
    mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
    flat = mixed.transpose(1, 2).reshape(rows * length, -1)
    return F.linear(flat if only is None else flat.index_select(0, only), block.o_proj.weight)


def _heads(projection: Any, states: Tensor, rows: int, length: int, head_dim: int) -> Tensor:
    return F.linear(states, projection.weight).view(rows, length, -1, head_dim).transpose(1, 2)


def _rotated(heads: Tensor, turn: Rotation) -> Tensor:
    length, half = heads.shape[-2], heads.shape[-1] // 2
    return heads * turn.cosines[:length] + heads.roll(half, -1) * turn.sines[:length]


def _feed_forward(layer: Any, states: Tensor) -> Tensor:
    normed = _norm(layer.post_attention_layernorm, states)
    gate = F.silu(F.linear(normed, layer.mlp.gate_proj.weight))
    return F.linear(gate * F.linear(normed, layer.mlp.up_proj.weight), layer.mlp.down_proj.weight)


def _norm(norm: Any, states: Tensor) -> Tensor:
    return F.rms_norm(states, norm.weight.shape, norm.weight, norm.variance_epsilon)
