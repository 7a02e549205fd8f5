"""Packing: the examples of a batch one behind the other in a single row, none of which sees another.

Positions begin anew with each example, and attention is computed for each by itself: nothing is padded, and
no mask is as long as the row. Which examples a batch has stays as it was, and so does its gradient, but for
rounding.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - as everybody writes it
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from experiments.batches import Batch
from orchestrator.refusal import Refused

# The name under which transformers finds `_attend_apart`, and that by which it hands on where examples end.
ATTENTION, ENDS = "packed_sdpa", "cu_seq_lens_q"
# A leak moves the logits of the second of two examples; rounding moves them by less than this share of that.
ROUNDING = 0.1
PROBE = 6  # tokens of each

REMEDY = "set cluster.compute.layout=padded"


def packed(batch: Batch) -> Batch:
    """The same examples without padding, in one row; a batch of one row is packed already."""
    length = batch.tokens.shape[1]
    inside = torch.arange(length) < batch.lengths[:, None]
    begins = batch.lengths.cumsum(0) - batch.lengths
    row, column = batch.answers // length, batch.answers % length
    return Batch(batch.tokens[inside][None], begins[row] + column, batch.targets, batch.lengths)


def positions(lengths: Tensor) -> Tensor:
    """The place of each token of a packed row within its own example."""
    return torch.cat([torch.arange(int(length)) for length in lengths])


def told(model: Any, lengths: Tensor) -> dict[str, Tensor]:
    """What a model is given with a packed row: positions, and for our attention where each example ends.

    A mask or a cache would undo it.
    """
    given = {"position_ids": positions(lengths)[None].to(model.device)}
    if model.config._attn_implementation == ATTENTION:
        # It stays on the CPU: asking a GPU in every layer would make it wait.
        given[ENDS] = F.pad(lengths.cumsum(0), (1, 0))
    return given


def attend(queries: Tensor, keys: Tensor, values: Tensor, lengths: list[int]) -> Tensor:
    """Causal attention of heads (1 x heads x row x dimension) within each example alone."""
    alone = (
        F.scaled_dot_product_attention(query, key, value, is_causal=True)
        for query, key, value in _apart((queries, keys, values), lengths)
    )
    return torch.cat(list(alone), dim=2)


def _apart(heads: tuple[Tensor, Tensor, Tensor], lengths: list[int]) -> Iterator[tuple[Tensor, ...]]:
    """Queries, keys and values of each example."""
    return zip(*(torch.split(each, lengths, dim=2) for each in heads), strict=True)


def attention_for(attention: str) -> str:
    """What a model is loaded with, in place of `attention`, that its rows may be packed."""
    if attention != "sdpa":
        return attention  # goes by positions itself
    AttentionInterface.register(ATTENTION, _attend_apart)
    return ATTENTION


def _attend_apart(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **given: Any,
) -> tuple[Tensor, None]:
    """Causal attention between the ends of examples, as transformers' own for each."""
    ends = given.pop(ENDS, None)
    if ends is None or attention_mask is not None or len(query) != 1:
        raise Refused(f"{type(module).__name__} does not tell attention where an example ends: {REMEDY}")
    lengths = ends.diff().tolist()
    window = given.get("sliding_window")
    if window is not None and max(lengths) > window:
        raise Refused(f"an example has {max(lengths)} tokens, and the model sees {window} back: {REMEDY}")
    parts = _apart((query, key, value), lengths)
    return torch.cat([sdpa_attention_forward(module, *part, None, **given)[0] for part in parts], dim=1), None


def check_apart(model: Any) -> None:
    """Prove on two short examples that one does not see the other.

    Raises Refused where the second, behind the first, has other logits than alone by more than a tenth of
    what it would have if it saw it.
    """
    size = min(PROBE, model.config.get_text_config().vocab_size // 2)
    tokens = torch.arange(2 * size, device=model.device)[None]
    was_training = model.training
    model.eval()
    with torch.no_grad():
        alone = _logits(model, tokens[:, size:], [size])
        apart = _logits(model, tokens, [size, size])[:, size:]
        seen = _logits(model, tokens, [2 * size])[:, size:]
    model.train(was_training)
    off, leak = (apart - alone).abs().max(), (seen - alone).abs().max()
    if not off <= ROUNDING * leak:
        raise Refused(
            f"{type(model).__name__} mixes examples that are packed into one row (the logits of the second "
            f"are off by {off:.2g}, and by {leak:.2g} where it sees the first): {REMEDY}"
        )


def _logits(model: Any, tokens: Tensor, lengths: list[int]) -> Tensor:
    logits: Tensor = model(input_ids=tokens, use_cache=False, **told(model, torch.tensor(lengths))).logits
    return logits.float()
