"""Which rows stay in a pool: none empty, none twice, none that a benchmark asks or a filter turns down."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from experiments.filters import failing, path_id
from experiments.held_out import HeldOut
from experiments.offers import Candidate
from experiments.sources import Problems
from experiments.text import normalise, query_id
from orchestrator.strategies import Filters


class Sieve:
    """Lets rows through one by one and remembers only digests of them, so that a pool may be of any size.

    Of equal rows the first keeps its place. Which spelling of it stays must not depend on the order of a
    file: `spellings` holds, by place, what the row there has to give way to if that comes first in order.
    A row that repeats the one there to the letter is not held.
    """

    def __init__(self, benchmarks: Sequence[Problems], filters: Filters, held_out: HeldOut) -> None:
        self._filters = filters
        self._held_out = held_out
        self._asked = {normalise(query): one.name for one in benchmarks for query in one.queries}
        self._places: dict[bytes, int] = {}
        self._letters = array("q")  # by place, a hash of the row as it is spelt
        self._paths: set[bytes] = set()
        self._counted = Counted()
        self.removed: Counter[str] = Counter({"empty": 0, "duplicate": 0, "benchmark": 0})
        self.hit: Counter[str] = Counter()  # rows per benchmark
        self.spellings: dict[int, Candidate] = {}

    def kept(self, offered: Iterable[Candidate]) -> Iterator[Candidate]:
        """The rows that stay, in the order offered."""
        for row in offered:
            reason = self._removal(row)
            if reason is not None:
                self.removed[reason] += 1
                continue
            self._places[bytes.fromhex(row.row_id)] = len(self._places)
            self._letters.append(hash(spelling(row)))
            self._counted.add(row.source_id, row.query)
            yield row

    @property
    def size(self) -> dict[str, int]:
        """How much was kept, in each of the units that an amount can count."""
        return self._counted.size

    def _removal(self, row: Candidate) -> str | None:
        """Why a row goes, in a word or two."""
        query, identity = normalise(row.query), bytes.fromhex(row.row_id)
        if not query or not row.response.strip():
            return "empty"
        if self._held_out.has(row.source_id, row.query):
            return "held out"
        if query in self._asked:
            self.hit[self._asked[query]] += 1
            return "benchmark"
        if identity in self._places:
            place = self._places[identity]
            if hash(spelling(row)) != self._letters[place]:
                self.spellings[place] = min(self.spellings.get(place, row), row, key=spelling)
            return "duplicate"
        return failing(self._filters, row.query, row.response) or self._trodden(row)

    def _trodden(self, row: Candidate) -> str | None:
        if not self._filters.distinct_paths:
            return None
        path = path_id(row.query, row.response)
        if path in self._paths:
            return "same path"
        self._paths.add(path)
        return None


class Counted:
    """Rows, sources and queries, each different one once."""

    def __init__(self) -> None:
        self._n_rows = 0
        self._sources: set[str] = set()
        self._queries: set[bytes] = set()

    def add(self, source: str, query: str) -> None:
        """Take a row in."""
        self._n_rows += 1
        self._sources.add(source)
        self._queries.add(bytes.fromhex(query_id(query)))

    @property
    def size(self) -> dict[str, int]:
        """By the units that an amount can count."""
        n_sources, n_queries = len(self._sources), len(self._queries)
        return {"n_rows": self._n_rows, "n_sources": n_sources, "n_queries": n_queries}


def spelling(row: Candidate) -> tuple[str, str, str]:
    """What decides between rows that are the same once normalised."""
    return row.source_id, row.query, row.response
