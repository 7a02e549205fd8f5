"""Which rows stay in a pool: nothing empty, nothing twice, nothing that a benchmark asks."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from experiments.offers import Candidate
from experiments.sources import Problems
from experiments.text import normalise, query_id


class Sieve:
    """Lets rows through one by one and remembers only digests of them, so that a pool may be of any size.

    Of equal rows the first keeps its place. Which spelling of it stays must not depend on the order of a
    file: `spellings` holds, by place, what the row there has to give way to if that comes first in order.
    """

    def __init__(self, benchmarks: Sequence[Problems]) -> None:
        self._tested = {normalise(query): one.name for one in benchmarks for query in one.queries}
        self._places: dict[bytes, int] = {}
        self._sources: set[str] = set()
        self._queries: set[bytes] = set()
        self.removed: Counter[str] = Counter({"empty": 0, "duplicate": 0, "benchmark": 0})
        self.hit: Counter[str] = Counter()  # rows per benchmark
        self.spellings: dict[int, Candidate] = {}

    def kept(self, offered: Iterable[Candidate]) -> Iterator[Candidate]:
        """The rows that stay, in the order offered."""
        for row in offered:
            if self._stays(row):
                self._sources.add(row.source_id)
                self._queries.add(bytes.fromhex(query_id(row.query)))
                yield row

    @property
    def size(self) -> dict[str, int]:
        """How much was kept, in each of the units that an amount can count."""
        return {
            "n_rows": len(self._places),
            "n_sources": len(self._sources),
            "n_queries": len(self._queries),
        }

    def _stays(self, row: Candidate) -> bool:
        query, identity = normalise(row.query), bytes.fromhex(row.row_id)
        if not query or not row.response.strip():
            self.removed["empty"] += 1
        elif query in self._tested:
            self.removed["benchmark"] += 1
            self.hit[self._tested[query]] += 1
        elif identity in self._places:
            self.removed["duplicate"] += 1
            place = self._places[identity]
            self.spellings[place] = min(self.spellings.get(place, row), row, key=spelling)
        else:
            self._places[identity] = len(self._places)
            return True
        return False


def spelling(row: Candidate) -> tuple[str, str, str]:
    """What decides between rows that are the same once normalised."""
    return row.source_id, row.query, row.response
