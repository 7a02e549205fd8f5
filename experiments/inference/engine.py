"""What every back end can do: answer prompts, and say how likely each token of a reference is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.cell import Sampling

Tokens = list[int]
Pair = tuple[Tokens, Tokens]  # a prompt and the reference behind it
Tick = Callable[[], None]  # called now and then, and may raise to end the work


@dataclass(frozen=True)
class Limit:
    """How many rows, and how many tokens with their padding, go through the model at once."""

    rows: int
    tokens: int | None = None

    def allows(self, n_rows: int, longest: int) -> bool:
        """Whether so many rows, padded to the longest, may go together."""
        return n_rows <= self.rows and (self.tokens is None or n_rows * longest <= self.tokens)


@dataclass(frozen=True)
class Decoding:
    """How an answer comes about: greedy without `sampling`."""

    max_new_tokens: int
    stop: tuple[str, ...]  # texts that end an answer
    sampling: Sampling | None

    @property
    def n_samples(self) -> int:
        """Answers to each prompt."""
        return 1 if self.sampling is None else self.sampling.n


@dataclass(frozen=True)
class Answer:
    """What a model added to a prompt, without the token that ended it."""

    tokens: Tokens
    ended: bool  # by the model itself, and not by the limit of tokens


@dataclass(frozen=True)
class Question:
    """A prompt, and the seed of whatever is drawn in answering it."""

    prompt: Tokens
    seed: int


class Engine(Protocol):
    """One set of weights at a time, ready to compute. Nothing here may depend on what was asked before."""

    release: str  # of the back end: "vllm 0.32.0"
    answered: Limit  # what `answer` takes at once
    scored: Limit  # what `log_probabilities` takes at once

    def answer(self, questions: Sequence[Question], decoding: Decoding, tick: Tick) -> list[list[Answer]]:
        """As many samples as the decoding asks for, of each question."""

    def log_probabilities(self, pairs: Sequence[Pair], tick: Tick) -> list[list[float]]:
        """Of each token of each reference, given all before it, in nats."""


def batches(lengths: Sequence[int], limit: Limit, n_each: int = 1) -> Iterator[list[int]]:
    """Indices of rows of like length that go together; every row stands for `n_each`.

    One row goes alone where even that is above the limit.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and limit.allows((stop + 1 - start) * n_each, lengths[order[stop]]):
            stop += 1
        yield order[start:stop]
        start = stop


def without_end(tokens: Tokens, ends: Sequence[int]) -> Answer:
    """What stands before the first token that ends an answer."""
    for place, token in enumerate(tokens):
        if token in ends:
            return Answer(tokens[:place], ended=True)
    return Answer(tokens, ended=False)


def first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the first of the texts that end an answer begins."""
    places = [place for one in stop if (place := text.find(one)) >= 0]
    return min(places, default=None)
