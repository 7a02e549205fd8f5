"""Token sequences and the batches that training takes them in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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

    @property
    def n_tokens(self) -> int:
        """Return how many tokens count in the loss."""
        return len(self.targets)


def collate(examples: Sequence[Example]) -> Batch:
    """Lay examples out as one batch."""
    # The last token of a row is never an input, and causal attention never looks at the padding.
    length = max(len(example.tokens) for example in examples) - 1
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
    )


def shuffled_batches(
    examples: Sequence[Example], batch_size: int, rehearsal: Sequence[Example], n_rehearsed: int, seed: int
) -> Iterator[Batch]:
    """Yield batches without end, every epoch in another order that depends on the seed alone.

    Each batch takes `n_rehearsed` of the rehearsal sequences besides.
    """
    random = np.random.default_rng(seed)
    lengths = np.array([len(example.tokens) for example in examples])
    rehearsal_lengths = np.array([len(example.tokens) for example in rehearsal])
    while True:
        order = random.permutation(len(examples))
        for start in range(0, len(order), WINDOW * batch_size):
            window = _by_length(order[start : start + WINDOW * batch_size], lengths)
            starts = range(0, len(window), batch_size)
            drawn = random.integers(0, max(len(rehearsal), 1), len(starts) * n_rehearsed)
            rehearsed = _by_length(drawn, rehearsal_lengths)
            for number in random.permutation(len(starts)):
                chosen = [examples[i] for i in window[starts[number] :][:batch_size]]
                chosen += [rehearsal[i] for i in rehearsed[number * n_rehearsed :][:n_rehearsed]]
                yield collate(chosen)


def _by_length(indices: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return indices[np.argsort(lengths[indices], kind="stable")] if len(indices) else indices
