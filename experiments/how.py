"""How training uses a device: nothing of it enters a key, and it moves a number in its last bits at most."""

from dataclasses import dataclass
from typing import Literal

# How the examples of a batch lie before a model: a row each, padded, or all in one row, each by itself.
Layout = Literal["padded", "packed"]


@dataclass(frozen=True)
class How:
    """Memory against time. `micro_batches` grows by itself where a GPU runs out of memory."""

    micro_batches: int = 1  # parts that a batch is taken in
    rows_at_once: int | None = None  # the most rows of such a part
    gradient_checkpointing: bool = False
    attention: str = "sdpa"
    layout: Layout = "padded"
    ranks: int | None = None  # processes that train one model; None: one for each GPU, or one

    def n_parts(self, batch_size: int, n_ranks: int = 1) -> int:
        """In how many parts a batch goes through the model, those of all ranks together."""
        return self.micro_batches * max(-(-batch_size // (self.rows_at_once or batch_size)), n_ranks)


AS_IT_IS = How()
