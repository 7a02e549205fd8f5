"""How much a query has of a benchmark's items: their text, long runs of their words, or their mould."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

from experiments.annotated.numerals import NUMBER_WORDS
from experiments.text import normalise, query_id, words_of

SHORT_RUN, LONG_RUN = 8, 13  # words; the longer one as in Brown et al. (2020, arXiv 2005.14165)


@dataclass(frozen=True)
class InCommon:
    """What queries and the items of a benchmark have in common; one query may count in several ways."""

    n_same: int  # the same text once normalised
    n_same_mould: int  # otherwise the same words but for numbers
    n_short_runs: int  # at least one run of 8 words in common
    n_long_runs: int  # at least one run of 13 words in common

    def __add__(self, other: "InCommon") -> "InCommon":
        return InCommon(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))


NONE = InCommon(0, 0, 0, 0)


class Tested:
    """The items of one benchmark."""

    def __init__(self, queries: Collection[str]) -> None:
        self._same, items = set(map(normalise, queries)), list(map(words_of, queries))
        self._moulds = {mould(words) for words in items}
        self._short = {run for words in items for run in _runs(words, SHORT_RUN)}
        self._long = {run for words in items for run in _runs(words, LONG_RUN)}

    def overlap(self, query: str) -> InCommon:
        """Of one query: each count is 0 or 1."""
        words, same = words_of(query), normalise(query) in self._same
        short = not self._short.isdisjoint(_runs(words, SHORT_RUN))
        long = short and not self._long.isdisjoint(_runs(words, LONG_RUN))
        return InCommon(int(same), int(not same and mould(words) in self._moulds), int(short), int(long))


def overlaps(queries: Iterable[str], benchmarks: Mapping[str, Tested]) -> dict[str, InCommon]:
    """By benchmark, how many of the queries have something of its items; equal ones count once."""
    found, seen = dict.fromkeys(benchmarks, NONE), set()
    for query in queries:
        if (identity := query_id(query)) in seen:
            continue
        seen.add(identity)
        for name, tested in benchmarks.items():
            found[name] += tested.overlap(query)
    return found


def mould(words: Iterable[str]) -> tuple[str, ...]:
    """The words that are no numbers, in digits or spelt out."""
    return tuple(word for word in words if word not in NUMBER_WORDS and not word.isdigit())


def _runs(words: Sequence[str], n_words: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(n_words)), strict=False)
