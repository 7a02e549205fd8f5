"""Turns questions into the tokens that a model is asked with: the same in training and in evaluation."""

from collections.abc import Sequence
from typing import Any

from orchestrator.prompts import CHAT, text_of
from orchestrator.refusal import Refused

Tokens = list[int]


def prompts_of(queries: Sequence[str], template: str, tokenizer: Any) -> list[str]:
    """The text before each response. Raises Refused where the tokenizer has no template of its own."""
    if template != CHAT:
        text = text_of(template)
        return [text.replace("{query}", query) for query in queries]
    check_chat(tokenizer)
    return [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": query}], tokenize=False, add_generation_prompt=True
        )
        for query in queries
    ]


def prompt_tokens(texts: Sequence[str], template: str, tokenizer: Any) -> list[Tokens]:
    """The tokens of prompts; before a text comes what the tokenizer puts before every text.

    A chat template has that token in it already.
    """
    leading = [] if template == CHAT else _leading(tokenizer)
    return [[*leading, *tokens] for tokens in text_tokens(texts, tokenizer)]


def text_tokens(texts: Sequence[str], tokenizer: Any) -> list[Tokens]:
    """Each text alone, without anything before or after it.

    Prompts and responses are never tokenized together: in training they meet at the same place as when a
    model is asked.
    """
    if not texts:
        return []
    found: list[Tokens] = tokenizer(
        list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False
    )["input_ids"]
    return found


def check_chat(tokenizer: Any) -> None:
    """Raises Refused for a tokenizer without a chat template."""
    if not tokenizer.chat_template:
        raise Refused(
            "model.prompt=chat, but the tokenizer has no chat template: choose model.prompt=alpaca, "
            'model.prompt=plain or a text, model.prompt="Question: {query} Answer:"'
        )


def _leading(tokenizer: Any) -> Tokens:
    """The token that begins a text, for tokenizers that have one and use it."""
    first: Tokens = tokenizer("", verbose=False)["input_ids"][:1]
    begins = tokenizer.bos_token_id is not None and first == [tokenizer.bos_token_id]
    return first if begins else []
