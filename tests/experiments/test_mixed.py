"""Mixtures: every amount holds the shares, and each part is what it is alone."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.pool import make_pool
from experiments.resume import Resumption
from experiments.subset import Order, Unit, mixed, nested, select
from experiments.text import row_id
from orchestrator.mixing import reach, role_of
from orchestrator.refusal import Refused
from tests.experiments.chatty import chatty
from tests.experiments.llm_job import Job, say
from tests.experiments.test_pool import GIVEN, TEST, Tables, augmented, made

Row = tuple[str, str, str, str]  # part, source, query, response
# Few names, so that parts share sources and queries.
rows_of_a_pool = st.lists(
    st.tuples(
        st.sampled_from(["one", "other"]),
        st.sampled_from([f"source {i}" for i in range(4)]),
        st.sampled_from([f"query {i}" for i in range(8)]),
        st.sampled_from([f"response {i}" for i in range(6)]),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda row: row[2:],
)
weights_of_parts = st.fixed_dictionaries({"one": st.integers(1, 5), "other": st.integers(1, 5)})


def table(rows: Sequence[Row]) -> pa.Table:
    parts, sources, queries, responses = zip(*rows, strict=True)
    return pa.table(
        {
            "row_id": list(map(row_id, queries, responses)),
            "source_id": sources,
            "query": queries,
            "response": responses,
            "strategy": parts,
        }
    )


@given(rows_of_a_pool, weights_of_parts, st.sampled_from(["breadth", "rows", "grouped"]))
def test_every_amount_of_examples_holds_the_shares_and_each_part_keeps_its_order(
    rows: list[Row], weights: dict[str, int], order: Order
) -> None:
    pool = table(rows)
    mixture = mixed(pool, order, "examples", 3, weights)
    parts = [rows[index][0] for index in mixture.indices]
    sizes = {part: [row[0] for row in rows].count(part) for part in weights}
    assert mixture.size == len(parts) == sum(reach(sizes, weights).values())
    for n in range(mixture.size + 1):
        taken = parts[:n].count("one")
        assert abs(taken - n * weights["one"] / sum(weights.values())) <= 0.5 + 1e-9
    for part in weights:
        own = [index for index, row in enumerate(rows) if row[0] == part]
        alone = [own[i] for i in nested(pool.take(own), order, "examples", 3).indices] if own else []
        here = [int(index) for index in mixture.indices if rows[index][0] == part]
        assert here == alone[: len(here)]


@pytest.mark.slow
@given(rows_of_a_pool, weights_of_parts)
def test_a_query_of_two_parts_is_of_the_first_with_all_its_rows(
    rows: list[Row], weights: dict[str, int]
) -> None:
    mixture = mixed(table(rows), "breadth", "queries", 0, weights)
    first = {query: min(row[0] for row in rows if row[2] == query) for _, _, query, _ in rows}
    ends = [0, *mixture.ends]
    units = [mixture.indices[start:end] for start, end in pairwise(ends)]
    for n, unit in enumerate(units, start=1):
        [query] = {rows[index][2] for index in unit}
        assert len(unit) == sum(row[2] == query for row in rows)
        taken = sum(first[rows[unit[0]][2]] == "one" for unit in units[:n])
        assert abs(taken - n * weights["one"] / sum(weights.values())) <= 0.5 + 1e-9


def mixture_of(tmp_path: Path, weights: dict[str, int], **folders: Path) -> tuple[dict[str, Any], pa.Table]:
    strategy = {"kind": "mixture", "name": "mixture", "weights": weights}
    spec = {"version": 1, "seed": GIVEN, "strategy": strategy, "decontaminate": [TEST]}
    inputs = {role_of(part): folder for part, folder in folders.items()}
    into = tmp_path / "mixture"
    into.mkdir()
    told = make_pool(spec, inputs, into, lambda done, note: None, {}, Resumption(tmp_path / "s", 60.0))
    return told, pq.read_table(into / "pool.parquet")


def part(tmp_path: Path, name: str, *given: Any) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    made(folder, *given)
    return folder


def test_a_mixture_is_the_rows_of_its_parts_each_once(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    queries = part(tmp_path, "queries", augmented(40, "fractions"))
    first = pq.read_table(queries / "pool.parquet").slice(0, 5).to_pylist()
    known = [(row["source_id"], row["query"], row["response"]) for row in first]
    rows = tables.add(*known, ("s", "Another query?", "Another response."))
    given = {"kind": "table", "name": "given", "source": rows}
    bought = part(tmp_path, "bought", given, GIVEN, (TEST,), tables.places)
    summary, pool = mixture_of(tmp_path, {"a": 2, "b": 1}, a=queries, b=bought)
    assert summary["removed"] == {"in an earlier part": 5}
    assert summary["n_rows"] == len(pool) == len(set(pool["row_id"].to_pylist())) == 41
    a, b = summary["parts"]["a"], summary["parts"]["b"]
    assert (a["n_rows"], a["n_in_earlier_parts"], a["weight"]) == (40, 0, 2)
    assert (b["n_rows"], b["n_queries"], b["n_in_earlier_parts"], b["share"]) == (1, 1, 5, 1 / 3)
    assert pool["strategy"].to_pylist().count("b") == 1
    assert set(pool["generator"].to_pylist()) == {"symbolic", "table"}


@pytest.mark.parametrize("unit", ["examples", "queries"])
def test_an_amount_beyond_what_a_part_can_give_is_refused(tmp_path: Path, unit: Unit) -> None:
    queries = part(tmp_path, "queries", augmented(40, "fractions"))
    responses = part(tmp_path, "responses", augmented(11))
    weights = {"queries": 2, "responses": 1}
    summary, pool = mixture_of(tmp_path, weights, queries=queries, responses=responses)
    name = "n_rows" if unit == "examples" else "n_queries"
    most = sum(reach({one: told[name] for one, told in summary["parts"].items()}, weights).values())
    subset = {"unit": unit, "order": "breadth", "seed": 0, "weights": weights}
    assert len(select(pool, None, {**subset, "n": most})) == most
    with pytest.raises(Refused, match=f"above the pool, which has {most} {unit}"):
        select(pool, None, {**subset, "n": most + 1})


def test_how_a_model_wrote_rows_is_told_of_a_mixture_too(tmp_path: Path) -> None:
    with chatty(say) as server:
        Job(tmp_path, server.url).make("written")
    numbers = part(tmp_path, "numbers", augmented(10, "numbers"))
    mixture_of(tmp_path, {"x": 1, "y": 1}, x=numbers, y=tmp_path / "written")
    told = pq.read_table(tmp_path / "mixture/provenance.parquet").to_pylist()
    of_model = [
        row["row_id"]
        for row in pq.read_table(tmp_path / "mixture/pool.parquet").to_pylist()
        if row["strategy"] == "y"
    ]
    assert [row["row_id"] for row in told] == of_model
    assert {row["query_model"] for row in told} == {"m"}
