"""Proves which weights an engine computes with: known tokens, and how likely the reference finds each."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from experiments.inference.engine import Pair

N_ROWS, N_TOKENS = 8, 24
# The root mean square, in nats, that rounding may make. Seen on a CPU: up to 1e-5, and up to 0.08.
TOLERANCES = {"float32": 1e-3, "bfloat16": 0.1}
# Some token must have moved by so many tolerances before a swap counts as seen.
APART = 10.0

LogProbabilities = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Evidence:
    """How far the engine is from what the reference says, and the reference from what was there before."""

    difference: float  # root mean square over all tokens, in nats
    change: float | None  # of the token that moved most from the weights before; None: there were none
    tolerance: float

    @property
    def convinces(self) -> bool:
        """Whether the engine has these weights and not those before."""
        seen = self.change is None or self.change >= APART * self.tolerance
        return self.difference <= self.tolerance and seen

    @property
    def complaint(self) -> str:
        """What speaks against it."""
        if not self.difference <= self.tolerance:
            return (
                f"log-probabilities are off by {self.difference:.3g} nats, and {self.tolerance:g} are allowed"
            )
        return f"no log-probability changed by more than {self.change:.3g} nats: too little to tell a swap by"


def known_rows(vocabulary_size: int, special: Sequence[int], context: int) -> list[Pair]:
    """Tokens drawn at random once and for all: unlikely ones, on which two checkpoints differ most."""
    random = Random(0)  # noqa: S311 - always the same
    plain = sorted(set(range(vocabulary_size)) - set(special))
    length = min(N_TOKENS, context - 1)
    rows = [random.choices(plain, k=length + 1) for _ in range(N_ROWS)]
    return [(row[:1], row[1:]) for row in rows]


def evidence(
    found: LogProbabilities, wanted: LogProbabilities, before: LogProbabilities | None, dtype: str
) -> Evidence:
    """Compare what an engine says with the reference, and with the reference of the weights before."""
    difference = float(np.sqrt(np.mean(_distances(found, wanted) ** 2)))
    change = None if before is None else float(np.max(_distances(found, before)))
    return Evidence(difference, change, TOLERANCES[dtype])


def _distances(some: LogProbabilities, others: LogProbabilities) -> np.ndarray:
    """Of each token; what is not a number is infinitely far from any other."""
    distances = np.abs(np.subtract(np.concatenate(some), np.concatenate(others)))
    return np.where(np.isnan(distances), np.inf, distances)
