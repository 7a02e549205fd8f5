"""Batches of one pass in nested order: those of a smaller amount are the first of a larger one."""

from collections.abc import Iterator

import numpy as np

from experiments.batches import ShuffledBatches


class NestedBatches(ShuffledBatches):
    """Batches of the examples as they come, once; the seed only draws what is rehearsed beside them."""

    def _choices(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(self._examples), self._batch_size):
            chosen = np.arange(start, min(start + self._batch_size, len(self._examples)))
            yield chosen, self._random.integers(0, max(len(self._rehearsal), 1), self._n_rehearsed)
