"""Which sources are held out of the seed problems, and which rows go back to one of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from experiments.text import query_id
from orchestrator.specs import Validation

BITS = 64


@dataclass(frozen=True)
class HeldOut:
    """Names of sources, and the ids of what they ask."""

    sources: frozenset[str] = frozenset()
    queries: frozenset[str] = frozenset()

    def has(self, source: str, query: str) -> bool:
        """Whether a row was made from one of them, or asks what one asks.

        A table may call a source by the text of its query.
        """
        if not self.sources:
            return False
        return source in self.sources or query_id(source) in self.queries or query_id(query) in self.queries


def chosen(sources: Iterable[str], validation: Validation) -> frozenset[str]:
    """The sources that are held out, by a hash of their names.

    With a share, others that come or go change nothing for a source; a count is always met, and takes
    those with the lowest hashes.
    """
    turns = {source: _turn(source, validation.seed) for source in sources}
    if validation.share is not None:
        return frozenset(source for source, turn in turns.items() if turn < validation.share * 2**BITS)
    return frozenset(sorted(turns, key=lambda source: (turns[source], source))[: validation.count])


def declared(spec: Mapping[str, Any]) -> Validation | None:
    """What the spec of a pool holds out."""
    return Validation.model_validate(spec["validation"]) if "validation" in spec else None


def _turn(source: str, seed: int) -> int:
    keyed = blake2b(source.encode(), key=f"validation {seed}".encode(), digest_size=BITS // 8)
    return int.from_bytes(keyed.digest())
