"""Token sequences and the batches that training takes them in."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import numpy as np
import torch

WINDOW = 16  # batches among which sequences are sorted by length, so that little is padded


@dataclass(frozen=True)
class Example:
    """Tokens of a prompt and its response; only those after the prompt count in the loss."""

    tokens: tuple[int, ...]
    n_prompt: int


@dataclass(frozen=True)
class Batch:
    """Rows of tokens padded on the right, and where they predict a token that counts."""

    tokens: torch.Tensor  # rows x length
    answers: torch.Tensor  # positions in the flattened rows whose next token counts
    targets: torch.Tensor  # the tokens there
    lengths: torch.Tensor  # how many tokens are read of each example

    @property
    def n_tokens(self) -> int:
        """Return how many tokens count in the loss."""
        return len(self.targets)

    @property
    def n_examples(self) -> int:
        """Return how many examples there are, those rehearsed included."""
        return len(self.lengths)

    @property
    def n_read(self) -> int:
        """Return how many tokens of prompts and responses there are, as budgets count them."""
        return int(self.lengths.sum()) + len(self.lengths)  # the last one of each is only predicted

    @property
    def n_padding(self) -> int:
        """Return how many places hold no token."""
        return self.tokens.numel() - int(self.lengths.sum())

    def parts(self, n_parts: int) -> Iterator["Batch"]:
        """The rows in turn, in at most so many groups of about the same size; one is the batch itself.

        A group is as wide as its own longest row.
        """
        n_rows, length = self.tokens.shape
        size = -(-n_rows // n_parts)
        if size >= n_rows:
            yield self
            return
        for first in range(0, n_rows, size):
            rows, lengths = self.tokens[first : first + size], self.lengths[first : first + size]
            inside = (self.answers >= first * length) & (self.answers < (first + len(rows)) * length)
            places = self.answers[inside] - first * length
            row, column = places // length, places % length
            width = int(lengths.max())
            yield Batch(rows[:, :width], row * width + column, self.targets[inside], lengths)


def collate(examples: Sequence[Example]) -> Batch:
    """Lay examples out as one batch."""
    # The last token of a row is never an input, and causal attention never looks at the padding.
    lengths = [len(example.tokens) - 1 for example in examples]
    length = max(lengths)
    tokens = np.zeros((len(examples), length), dtype=np.int64)
    answers, targets = [], []
    for row, example in enumerate(examples):
        first, last = max(example.n_prompt, 1), len(example.tokens)
        tokens[row, : last - 1] = example.tokens[:-1]
        answers.append(np.arange(first - 1, last - 1) + row * length)
        targets.append(example.tokens[first:])
    return Batch(
        torch.from_numpy(tokens),
        torch.from_numpy(np.concatenate(answers)),
        torch.from_numpy(np.concatenate(targets).astype(np.int64)),
        torch.tensor(lengths),
    )


class ShuffledBatches:
    """Batches without end, every epoch in another order that depends on the seed alone.

    Each batch takes `n_rehearsed` of the rehearsal sequences besides. Among `window` batches, examples of
    like length come together; with 1, a batch is what was drawn, sorted so that its parts are.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        batch_size: int,
        rehearsal: Sequence[Example],
        n_rehearsed: int,
        seed: int,
        *,
        window: int = WINDOW,
    ) -> None:
        self._examples = examples
        self._batch_size = batch_size
        self._rehearsal = rehearsal
        self._n_rehearsed = n_rehearsed
        self._seed = seed
        self._window = window
        self.seek(0)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        chosen, rehearsed = next(self._chosen)
        return collate([self._examples[i] for i in chosen] + [self._rehearsal[i] for i in rehearsed])

    @property
    def n_examples(self) -> int:
        """How many examples an epoch has."""
        return len(self._examples)

    def n_batches_with(self, n_tokens: int) -> int:
        """How many of the first batches read at least so many tokens; those rehearsed do not count."""
        self.seek(0)
        n_batches = 0
        while n_tokens > 0:
            chosen, _ = next(self._chosen)
            n_tokens -= sum(len(self._examples[i].tokens) for i in chosen)
            n_batches += 1
        self.seek(0)
        return n_batches

    def seek(self, n_batches: int) -> None:
        """Go on behind the first `n_batches`, which are drawn again but not laid out: microseconds each."""
        self._random = np.random.default_rng(self._seed)
        self._chosen = self._choices()
        deque(islice(self._chosen, n_batches), maxlen=0)

    def random_state(self) -> dict[str, Any]:
        """Tell where the random numbers are; equal states at equal positions go on equally."""
        return dict(self._random.bit_generator.state)

    def _choices(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield which examples and which rehearsal sequences go together."""
        size, n_rehearsed = self._batch_size, self._n_rehearsed
        lengths = np.array([len(example.tokens) for example in self._examples])
        rehearsal_lengths = np.array([len(example.tokens) for example in self._rehearsal])
        while True:
            order = self._random.permutation(len(lengths))
            for start in range(0, len(order), self._window * size):
                window = _by_length(order[start : start + self._window * size], lengths)
                starts = range(0, len(window), size)
                drawn = self._random.integers(0, max(len(rehearsal_lengths), 1), len(starts) * n_rehearsed)
                rehearsed = _by_length(drawn, rehearsal_lengths)
                for number in self._random.permutation(len(starts)):
                    yield (
                        window[starts[number] :][:size],
                        rehearsed[number * n_rehearsed :][:n_rehearsed],
                    )


def _by_length(indices: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return indices[np.argsort(lengths[indices], kind="stable")] if len(indices) else indices
