"""How much memory a training takes at its peak: weights, gradients, moments, and what a pass leaves."""

from collections.abc import Mapping
from typing import Any

from experiments.shape import Shape

BYTES = {"float32": 4, "bfloat16": 2}
FLOAT = 4
# What AdamW keeps for a trained weight, beside its gradient.
MOMENTS = 2 * FLOAT


def training_bytes(
    shape: Shape, train: Mapping[str, Any], dtype: str, context: int, compute: Mapping[str, Any]
) -> int:
    """At the peak, for rows that fill the context: the batch with the longest rows decides."""
    lora = train.get("lora")
    trained = shape.n_adapters(lora) if lora else shape.n_parameters
    held = shape.n_parameters * BYTES[dtype] + (trained * FLOAT if lora else 0) + trained * MOMENTS
    share = -(-train["batch_size"] // (compute.get("ranks") or 1))
    rows = min(share, compute.get("rows_at_once") or share)
    left_behind = _pass_bytes(shape, train, dtype, rows * context, compute)
    gradients = trained * FLOAT
    # Where a batch is taken whole, gradients come only as activations go.
    in_parts = rows < share
    return held + (gradients + left_behind if in_parts else max(gradients, left_behind))


def _pass_bytes(
    shape: Shape, train: Mapping[str, Any], dtype: str, n_tokens: int, compute: Mapping[str, Any]
) -> int:
    """What PyTorch saves for the backward pass, as transformers writes its layers."""
    rounds = train.get("precision", "float32") == "bfloat16" and dtype == "float32"
    # Autocast keeps a rounded copy of each weight until the pass is over.
    copies = BYTES["bfloat16"] * (shape.n_parameters - shape.n_embedding) if rounds else 0
    size = min(BYTES[train.get("precision", "float32")], BYTES[dtype])
    layer = _layer_bytes(shape, train, size)
    # Logits, in float32 too, their softmax and its gradient: of all tokens, as prompts may be short.
    logits = shape.vocabulary * (size + 3 * FLOAT)
    if compute.get("gradient_checkpointing"):
        # The states between layers, and one layer that is computed again.
        return copies + n_tokens * (shape.n_layers * FLOAT * shape.width + max(layer, logits))
    return copies + n_tokens * (shape.n_layers * layer + logits)


def _layer_bytes(shape: Shape, train: Mapping[str, Any], size: int) -> int:
    """Of one token in one layer with two norms, attention and a gated feed-forward part.

    Five linear layers read the states: three of attention, two of the feed-forward part. Autocast rounds
    for each of them, and so does dropout before adapters.
    """
    lora, width = train.get("lora"), shape.width
    norms = 2 * FLOAT * width * (1 if lora else 2)  # their input, and what their weight multiplies
    inputs = size * width * (5 if size < FLOAT else 2)
    attention = size * (2 * width + 2 * shape.key_width)  # queries, keys, values and the output
    gated = 4 * size * shape.inner  # gate, activated gate, the other half, and the product
    dropped = 0
    if lora and lora["dropout"]:
        dropped = FLOAT * (5 * width + shape.inner) + size * width + 6 * width + shape.inner
    return norms + inputs + attention + gated + dropped
