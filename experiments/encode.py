"""Turns questions and solutions into token sequences; nothing is cut off or left out in silence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from experiments.batches import Example
from experiments.prompts import prompt_tokens, prompts_of, text_tokens
from orchestrator.refusal import Refused

TooLong = Literal["error", "drop", "truncate"]


@dataclass(frozen=True)
class Text:
    """A solution to learn, the question before it (or none), and its name in messages."""

    name: str
    query: str
    response: str


@dataclass(frozen=True)
class Reading:
    """How texts become tokens: the template of prompts, and what fits."""

    tokenizer: Any
    prompt: str
    context: int
    too_long: TooLong = "error"


@dataclass(frozen=True)
class Encoded:
    """Examples, the indices of the texts that they were made from, and how many were cut."""

    examples: list[Example]
    kept: list[int]
    n_truncated: int


def encode(texts: Sequence[Text], reading: Reading) -> Encoded:
    """Return each text as the tokens of its prompt, of its response, and the end.

    One that does not fit into the context is an error, is dropped, or loses the end of its response, as
    `too_long` says. Raises Refused for the error, and where nothing of a response would be left.
    """
    examples, kept, n_truncated = [], [], 0
    for index, (text, before, after) in enumerate(_parts(texts, reading)):
        example = Example((*before, *after), len(before))
        # The last token is predicted and never read, so it needs no place in the context.
        if _excess(example, reading):
            if reading.too_long == "drop":
                continue
            example = _shortened(text, example, reading)
            n_truncated += 1
        examples.append(example)
        kept.append(index)
    return Encoded(examples, kept, n_truncated)


def _parts(texts: Sequence[Text], reading: Reading) -> list[tuple[Text, list[int], list[int]]]:
    """Prompt and response with its end, in tokens. A text without a question has no prompt."""
    tokenizer = reading.tokenizer
    asking = [text for text in texts if text.query]
    asked = prompts_of([text.query for text in asking], reading.prompt, tokenizer)
    before = iter(prompt_tokens(asked, reading.prompt, tokenizer))
    after = text_tokens([text.response for text in texts], tokenizer)
    end = tokenizer.eos_token_id
    return [
        (text, next(before) if text.query else [], [*response, end])
        for text, response in zip(texts, after, strict=True)
    ]


def _excess(example: Example, reading: Reading) -> int:
    return max(len(example.tokens) - 1 - reading.context, 0)


def _shortened(text: Text, example: Example, reading: Reading) -> Example:
    """Without what does not fit, which begins with the end token: a text that was cut has not ended."""
    tokens = example.tokens[: reading.context + 1]
    if reading.too_long == "truncate" and len(tokens) > example.n_prompt:
        return Example(tokens, example.n_prompt)
    raise Refused(
        f"row {text.name} has {example.n_prompt} tokens of prompt and "
        f"{len(example.tokens) - example.n_prompt - 1} of response, more than the context of "
        f"{reading.context}: raise model.context, set train.too_long=drop, or leave the row out of the pool"
    )
