"""The nested order: which rows of a pool an amount stands for.

Every source and every row gets a hash keyed with `subset_seed`, and the pool is sorted by these hashes in one
of three ways. An amount is a prefix of the result. What follows is the reason for the whole module:

- a smaller amount is contained in a larger one, whatever the two are;
- the order knows names, not positions: it is the same for a file in another order;
- a row that was never in the pool cannot move those that were: in `rows` and `grouped` the old order is what
  is left of the new one without the new rows; in `breadth` so it is for the rows of new sources, while
  another row of a known source may push later rows of that source back by a round, never past each other;
- pools with the same sources see the same sources first, so strategies are compared on the same problems.

Nothing here is drawn at random, and `train_seed` does not come in.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from experiments.text import query_id
from orchestrator import mixing
from orchestrator.refusal import Refused

Order = Literal["breadth", "rows", "grouped"]
Unit = Literal["examples", "queries"]
Integers = npt.NDArray[np.int64]

NAMED = ["row_id", "source_id", "query"]
TEXTS = ["row_id", "source_id", "query", "response"]


class Rows(Protocol):
    """The columns of a pool: a table, or a file of which only what is asked for is read."""

    def __getitem__(self, name: str, /) -> pa.ChunkedArray:
        """One column."""

    def select(self, names: Sequence[str], /) -> Self:
        """These columns alone."""

    def take(self, indices: pa.Array, /) -> pa.Table:
        """The rows at these places, in this order."""


@dataclass(frozen=True)
class Nested:
    """The indices of a pool's rows in nested order, and how many rows the first 1, 2, ... units take."""

    indices: Integers
    ends: Integers

    @property
    def size(self) -> int:
        """How many units there are."""
        return len(self.ends)

    def prefix(self, n_units: int) -> Integers:
        """The rows of the first units."""
        return self.indices[: self.ends[n_units - 1]] if n_units else self.indices[:0]


def select(pool: Rows, seed: Rows | None, subset: Mapping[str, Any]) -> pa.Table:
    """The rows that a cell is trained on: `position, row_id, source_id, role, query, response`.

    `subset` is {"n", "unit", "order", "seed"}: the first n examples or queries of the pool (role `pool`),
    behind the whole seed set (role `seed`) where one rides along; of a mixture also {"weights"}. Raises
    Refused where n is above the pool, and where nothing is left to train on.
    """
    order, unit, n_units = subset["order"], subset["unit"], subset["n"]
    rows = drawn(pool, subset)
    if n_units > rows.size:
        raise Refused(
            f"an amount of {n_units} is above the pool, which has {rows.size} {unit}; "
            f"choose an amount up to {rows.size}, or make the pool larger"
        )
    chosen = [_with_role(pool, rows.prefix(n_units), "pool")]
    if seed is not None:
        chosen.insert(0, _with_role(seed, nested(seed, order, "examples", subset["seed"]).indices, "seed"))
    table = pa.concat_tables(chosen)
    if not len(table):
        raise Refused(
            "an amount of 0 without a seed set leaves nothing to train on; evaluate the base instead"
        )
    return table.add_column(0, "position", pa.array(range(len(table)), pa.int64()))


def drawn(pool: Rows, subset: Mapping[str, Any]) -> Nested:
    """The order that every amount of a subset is a prefix of."""
    how = pool, subset["order"], subset["unit"], subset["seed"]
    return mixed(*how, subset["weights"]) if "weights" in subset else nested(*how)


def nested(pool: Rows, order: Order, unit: Unit, subset_seed: int) -> Nested:
    """The whole pool in nested order.

    With unit `queries` the order is one of queries, each followed at once by all its rows; a query that two
    sources share belongs to the one whose name comes first.
    """
    rows, sources = pool["row_id"].to_pylist(), pool["source_id"].to_pylist()
    if unit == "examples":
        return Nested(ordered(rows, sources, order, subset_seed), np.arange(1, len(rows) + 1))
    queries = [query_id(query) for query in pool["query"].to_pylist()]
    home: dict[str, str] = {}
    for query, source in zip(queries, sources, strict=True):
        home[query] = min(source, home.get(query, source))
    distinct = list(home)
    turns = ordered(distinct, list(home.values()), order, subset_seed)
    turn_of = {distinct[index]: turn for turn, index in enumerate(turns)}
    turn = np.array([turn_of[query] for query in queries], dtype=np.int64)
    high, low = _hashes("row", subset_seed, map("".join, zip(rows, queries, strict=True)))
    return Nested(np.lexsort((low, high, turn)), np.cumsum(np.bincount(turn, minlength=len(distinct))))


def mixed(pool: Rows, order: Order, unit: Unit, subset_seed: int, weights: Mapping[str, int]) -> Nested:
    """As much of a mixture in nested order as holds its shares.

    Each part (`strategy` of a row) is in the order that it has alone, and parts take turns by weight. With
    unit `queries` one that several parts have is of the first by name, with all its rows.
    """
    parts, named = _parts(pool, unit), pool.select(NAMED)
    orders = {part: nested(named.take(pa.array(at)), order, unit, subset_seed) for part, at in parts.items()}
    used = mixing.reach({part: orders[part].size if part in orders else 0 for part in weights}, weights)
    common = math.lcm(*weights.values())
    rows, turns, lengths = [], [], []
    for number, (part, one) in enumerate(sorted(orders.items())):
        turn = (2 * np.arange(used[part]) + 1) * (common // weights[part])
        turns.append(turn * len(orders) + number)
        rows.append(parts[part][one.prefix(used[part])])
        lengths.append(np.diff(one.ends[: used[part]], prepend=0))
    turn, length = np.concatenate(turns), np.concatenate(lengths)
    by_turn = np.argsort(np.repeat(turn, length), kind="stable")
    return Nested(np.concatenate(rows)[by_turn], np.cumsum(length[np.argsort(turn)]))


def _parts(pool: Rows, unit: Unit) -> dict[str, Integers]:
    """The rows of each part of a mixture."""
    names = pool["strategy"].to_pylist()
    if unit == "queries":
        queries = [query_id(query) for query in pool["query"].to_pylist()]
        first: dict[str, str] = {}
        for query, name in zip(queries, names, strict=True):
            first[query] = min(name, first.get(query, name))
        names = [first[query] for query in queries]
    of = np.array(names)
    return {str(name): np.flatnonzero(of == name) for name in np.unique(of)}


def ordered(names: Sequence[str], sources: Sequence[str], order: Order, subset_seed: int) -> Integers:
    """The indices of the names in nested order; names are all different and of one length."""
    if order == "rows":
        high, low = _hashes("row", subset_seed, names)
        return np.lexsort((low, high))
    high, low = _hashes("row", subset_seed, map("".join, zip(names, sources, strict=True)))
    source_high, source_low = _hashes("source", subset_seed, sources)
    grouped = np.lexsort((low, high, source_low, source_high))
    if order == "grouped":
        return grouped
    # Within a round the sources keep the order that they have in `grouped`, as the sort is stable.
    rounds = _rounds(source_high[grouped], source_low[grouped])
    return grouped[np.argsort(rounds, kind="stable")]


def _rounds(*source: npt.NDArray[np.uint64]) -> Integers:
    """How many rows of the same source come before each row, where the rows of a source lie together."""
    position = np.arange(len(source[0]))
    changed = np.logical_or.reduce([half != np.roll(half, 1) for half in source])
    return position - np.maximum.accumulate(np.where(changed, position, 0))


def _hashes(purpose: str, subset_seed: int, texts: Iterable[str]) -> npt.NDArray[np.uint64]:
    """128 bits for each text, as two rows of the upper and the lower halves.

    So many bits that no two texts ever tie, and nothing but the texts decides.
    """
    keyed = blake2b(key=f"{purpose} {subset_seed}".encode(), digest_size=16)
    digests = bytearray()
    for text in texts:
        one = keyed.copy()
        one.update(text.encode())
        digests += one.digest()
    return np.frombuffer(bytes(digests), dtype=">u8").reshape(-1, 2).T.astype(np.uint64)


def _with_role(rows: Rows, indices: Integers, role: str) -> pa.Table:
    table = rows.select(TEXTS).take(pa.array(indices))
    return table.add_column(2, "role", pa.array([role] * len(table), pa.string()))
