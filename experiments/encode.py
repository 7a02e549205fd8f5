"""Turns questions and solutions into token sequences; nothing is ever cut off."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.batches import Example
from orchestrator.refusal import Refused


@dataclass(frozen=True)
class Text:
    """A solution to learn, the question before it (or none), and its name in messages."""

    name: str
    query: str
    response: str


def encode(texts: Sequence[Text], tokenizer: Any, prompt: str, context: int) -> list[Example]:
    """Return each text as the tokens of its prompt, of its response, and the end.

    Raises Refused where one does not fit into the context.
    """
    asked = [prompt.format(query=text.query) if text.query else "" for text in texts]
    prompts = _tokens(asked, tokenizer)
    responses = _tokens([text.response for text in texts], tokenizer)
    examples = []
    for text, before, after in zip(texts, prompts, responses, strict=True):
        tokens = (*before, *after, tokenizer.eos_token_id)
        # The end is predicted and never read, so it needs no place in the context.
        if len(tokens) - 1 > context:
            raise Refused(
                f"row {text.name} has {len(before)} tokens of prompt and {len(after)} of response, "
                f"more than the context of {context}: raise model.context or leave the row out of the pool"
            )
        examples.append(Example(tokens, len(before)))
    return examples


def _tokens(texts: Sequence[str], tokenizer: Any) -> list[list[int]]:
    if not texts:
        return []
    found: list[list[int]] = tokenizer(
        list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False
    )["input_ids"]
    return found
