"""The laws of the nested order."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.subset import Order, Unit, nested, select
from experiments.text import row_id
from orchestrator.refusal import Refused

ORDERS: tuple[Order, ...] = ("breadth", "rows", "grouped")
UNITS: tuple[Unit, ...] = ("examples", "queries")

Row = tuple[str, str, str]  # source, query, response
# Few names, so that rows share sources and queries.
rows_of_a_pool = st.lists(
    st.tuples(
        st.sampled_from([f"source {i}" for i in range(5)]),
        st.sampled_from([f"query {i}" for i in range(8)]),
        st.sampled_from([f"response {i}" for i in range(6)]),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda row: row[1:],
)
orders = st.sampled_from(ORDERS)
units = st.sampled_from(UNITS)
seeds = st.integers(0, 5)


def table(rows: Sequence[Row]) -> pa.Table:
    sources, queries, responses = zip(*rows, strict=True)
    identities = [row_id(query, response) for _, query, response in rows]
    return pa.table({"row_id": identities, "source_id": sources, "query": queries, "response": responses})


def chosen(rows: Sequence[Row], n: int, order: Order, unit: Unit, seed: int) -> list[Row]:
    subset = select(table(rows), None, {"n": n, "unit": unit, "order": order, "seed": seed})
    return list(zip(*(subset[name].to_pylist() for name in ("source_id", "query", "response")), strict=True))


def everything(rows: Sequence[Row], order: Order, unit: Unit = "examples", seed: int = 0) -> list[Row]:
    n_units = nested(table(rows), order, unit, seed).size
    return chosen(rows, n_units, order, unit, seed)


@given(rows_of_a_pool, orders, units, seeds, st.data())
def test_a_smaller_amount_is_the_beginning_of_a_larger_one(
    rows: list[Row], order: Order, unit: Unit, seed: int, data: st.DataObject
) -> None:
    size = nested(table(rows), order, unit, seed).size
    large = data.draw(st.integers(1, size))
    small = data.draw(st.integers(1, large))
    more = chosen(rows, large, order, unit, seed)
    less = chosen(rows, small, order, unit, seed)
    assert less == more[: len(less)]


@given(rows_of_a_pool, orders, units, seeds)
def test_the_whole_pool_is_its_largest_amount(rows: list[Row], order: Order, unit: Unit, seed: int) -> None:
    assert sorted(everything(rows, order, unit, seed)) == sorted(rows)


@given(rows_of_a_pool, orders, units, seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_file_does_not_matter(
    rows: list[Row], order: Order, unit: Unit, seed: int, random: Random
) -> None:
    shuffled = random.sample(rows, len(rows))
    assert everything(shuffled, order, unit, seed) == everything(rows, order, unit, seed)


@given(rows_of_a_pool, st.sampled_from(["rows", "grouped"]), seeds, st.data())
def test_a_growing_pool_moves_nothing_that_was_there(
    rows: list[Row], order: Order, seed: int, data: st.DataObject
) -> None:
    old = data.draw(st.lists(st.sampled_from(rows), min_size=1, unique=True))
    grown = everything(rows, order, seed=seed)
    assert [row for row in grown if row in old] == everything(old, order, seed=seed)


@given(rows_of_a_pool, units, seeds, st.data())
def test_new_sources_move_nothing_in_breadth(
    rows: list[Row], unit: Unit, seed: int, data: st.DataObject
) -> None:
    sources = sorted({source for source, _, _ in rows})
    known = data.draw(st.lists(st.sampled_from(sources), min_size=1, unique=True))
    # A query that another source brings as well belongs to one of them, so here every source asks its own.
    own = [(source, f"{query} of {source}", response) for source, query, response in rows]
    old = [row for row in own if row[0] in known]
    grown = everything(own, "breadth", unit, seed)
    assert [row for row in grown if row[0] in known] == everything(old, "breadth", unit, seed)


@given(rows_of_a_pool, orders, seeds, st.data())
def test_the_rows_of_a_source_never_pass_each_other(
    rows: list[Row], order: Order, seed: int, data: st.DataObject
) -> None:
    old = data.draw(st.lists(st.sampled_from(rows), min_size=1, unique=True))
    before, after = everything(old, order, seed=seed), everything(rows, order, seed=seed)
    for source in {row[0] for row in old}:
        assert [row for row in after if row[0] == source and row in old] == [
            row for row in before if row[0] == source
        ]


@given(rows_of_a_pool, seeds)
def test_breadth_takes_a_round_of_all_sources_before_the_next(rows: list[Row], seed: int) -> None:
    available = Counter(source for source, _, _ in rows)
    taken: Counter[str] = Counter()
    for source, _, _ in everything(rows, "breadth", seed=seed):
        taken[source] += 1
        having_more = [taken[other] for other in available if taken[other] < available[other]]
        assert taken[source] - min(having_more, default=taken[source]) <= 1


@given(rows_of_a_pool, seeds)
def test_grouped_finishes_a_source_before_the_next(rows: list[Row], seed: int) -> None:
    sources = [source for source, _, _ in everything(rows, "grouped", seed=seed)]
    changes = [source for before, source in zip([None, *sources], sources, strict=False) if source != before]
    assert len(changes) == len(set(sources))


@given(rows_of_a_pool, orders, seeds)
def test_the_rows_of_a_query_stay_together_and_count_as_one(rows: list[Row], order: Order, seed: int) -> None:
    n_queries = len({query for _, query, _ in rows})
    assert nested(table(rows), order, "queries", seed).size == n_queries
    for n in range(1, n_queries + 1):
        subset = chosen(rows, n, order, "queries", seed)
        taken = {query for _, query, _ in subset}
        assert len(taken) == n
        assert sorted(subset) == sorted(row for row in rows if row[1] in taken)


@pytest.mark.parametrize("order", ["breadth", "grouped"])
def test_pools_with_the_same_sources_see_the_same_sources_first(order: Order) -> None:
    sources = [f"source {i}" for i in range(50)]
    one = [(source, f"{source} asked", f"path {i}") for source in sources for i in range(3)]
    other = [(source, f"{source} asked anew {i}", "path") for source in sources for i in range(3)]
    first_of_one = [source for source, _, _ in chosen(one, 20, order, "examples", 1)]
    assert first_of_one == [source for source, _, _ in chosen(other, 20, order, "examples", 1)]
    assert first_of_one != [source for source, _, _ in chosen(one, 20, order, "examples", 2)]


@pytest.mark.parametrize("order", ORDERS)
def test_another_seed_is_another_order(order: Order) -> None:
    rows = [(f"source {i % 10}", f"query {i}", "response") for i in range(100)]
    assert everything(rows, order, seed=0) != everything(rows, order, seed=1)


def test_rows_are_chosen_uniformly() -> None:
    rows = [("small" if i < 10 else "large", f"query {i}", "response") for i in range(100)]
    subsets = [chosen(rows, 20, "rows", "examples", seed) for seed in range(300)]
    counts = [sum(source == "small" for source, _, _ in subset) for subset in subsets]
    # Hypergeometric: 20 of 100 rows, 10 of them small: mean 2, standard deviation 1.2.
    assert abs(sum(counts) / 300 - 2) < 4 * 1.2 / 300**0.5


def test_the_seed_set_rides_along_whole_and_first() -> None:
    pool = table([(f"source {i}", f"query {i}", "response") for i in range(10)])
    seed = table([(f"source {i}", f"given {i}", "response") for i in range(4)])
    subset = select(pool, seed, {"n": 3, "unit": "examples", "order": "breadth", "seed": 0})
    assert subset["role"].to_pylist() == ["seed"] * 4 + ["pool"] * 3
    assert subset["position"].to_pylist() == list(range(7))
    assert set(subset["row_id"].to_pylist()[:4]) == set(seed["row_id"].to_pylist())
    alone = select(pool, seed, {"n": 0, "unit": "examples", "order": "breadth", "seed": 0})
    assert alone["role"].to_pylist() == ["seed"] * 4
    assert alone.column_names == ["position", "row_id", "source_id", "role", "query", "response"]


@pytest.mark.parametrize(("unit", "size"), [("examples", 6), ("queries", 3)])
def test_an_amount_above_the_pool_is_refused_with_its_size(unit: Unit, size: int) -> None:
    rows = [("source", f"query {i % 3}", f"response {i}") for i in range(6)]
    assert len(chosen(rows, size, "breadth", unit, 0)) == 6
    with pytest.raises(Refused, match=f"amount of {size + 1} is above the pool, which has {size} {unit}"):
        chosen(rows, size + 1, "breadth", unit, 0)


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(Refused, match="leaves nothing to train on"):
        chosen([("source", "query", "response")], 0, "breadth", "examples", 0)
