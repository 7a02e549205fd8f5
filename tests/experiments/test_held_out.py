"""What is held out is in no pool, whatever the strategy, and is asked as a benchmark of its own."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.held_out import chosen
from experiments.pool import make_pool, size
from experiments.resume import Resumption
from experiments.sources import Problems, inspect, read_hashed
from experiments.text import query_id
from orchestrator.refusal import Refused
from orchestrator.specs import Validation
from tests.experiments.chatty import chatty
from tests.experiments.test_pool import GIVEN, SEED_STRATEGY, TEST, Tables, augmented

THIRD = {"share": 0.34, "seed": 0}
ASKED = {"kind": "held_out", "of": GIVEN, "validation": THIRD}
GSM8K = [
    (
        f"s{n}",
        f"Tom has {n} pens and buys {n + 1} more. How many has he?",
        f"{n}+{n + 1}=<<{n}+{n + 1}={2 * n + 1}>>{2 * n + 1}\n#### {2 * n + 1}",
    )
    for n in range(3, 15)
]
names = st.sets(st.text(min_size=1, max_size=8), min_size=2, max_size=40)


def pool(
    tmp_path: Path, strategy: dict[str, Any], seed: Any = GIVEN, places: Any = None, validation: Any = THIRD
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    spec = {
        "version": 1,
        "seed": seed,
        "strategy": strategy,
        "decontaminate": [TEST],
        "validation": validation,
    }
    into = tmp_path / strategy["name"]
    into.mkdir()
    summary = make_pool(
        spec, {}, into, lambda done, note: None, places or {}, Resumption(into / "state", 60.0)
    )
    return summary, pq.read_table(into / "pool.parquet").to_pylist()


def both_sides(seed: Any = GIVEN, places: Any = None) -> tuple[Problems, Problems]:
    """All seed problems, and those that are held out."""
    return read_hashed(seed, places or {}), read_hashed({**ASKED, "of": seed}, places or {})


@given(names, names, st.floats(0.05, 0.95), st.integers(0, 3))
def test_whether_a_source_is_held_out_depends_on_no_other(
    some: set[str], others: set[str], share: float, seed: int
) -> None:
    validation = Validation(share=share, seed=seed)
    assert chosen(some, validation) == chosen(some | others, validation) & some


@given(names, st.integers(1, 50))
def test_a_count_is_met_and_smaller_counts_are_within_larger_ones(sources: set[str], count: int) -> None:
    found = chosen(sources, Validation(count=count))
    assert len(found) == min(count, len(sources))
    assert chosen(sources, Validation(count=max(count - 1, 1))) <= found


def test_the_benchmark_and_the_seed_pool_are_the_two_parts_of_the_seed_problems(tmp_path: Path) -> None:
    every, held = both_sides()
    _, rows = pool(tmp_path, SEED_STRATEGY)
    assert 0 < len(held) < len(every)
    assert {row["source_id"] for row in rows}.isdisjoint(held.source_ids)
    assert len(rows) + len(held) == len(every)
    known = inspect({**ASKED, "of": {**GIVEN}}, "gsm8k")
    assert known["n_rows"] == len(held)
    assert known["digest"] == held.digest != every.digest


@pytest.mark.parametrize("operations", [("numbers", "fractions", "concepts"), ()])
def test_what_the_world_generates_keeps_its_promise_without_held_out_sources(
    tmp_path: Path, operations: tuple[str, ...]
) -> None:
    _, held = both_sides()
    summary, rows = pool(tmp_path, augmented(30, *operations))
    assert summary["n_rows"] == len(rows) == 30
    assert {row["source_id"] for row in rows}.isdisjoint(held.source_ids)
    assert {query_id(row["query"]) for row in rows}.isdisjoint(map(query_id, held.queries))


def test_other_numbers_are_drawn_for_what_is_not_held_out_alone(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    seed = tables.add(*GSM8K)
    _, held = both_sides(seed, tables.places)
    strategy = {"kind": "annotated", "name": "numbers", "rows": 10, "generator_seed": 0}
    _, rows = pool(tmp_path, strategy, seed, tables.places)
    assert {row["source_id"] for row in rows}.isdisjoint(held.source_ids)


def test_a_model_is_asked_nothing_about_what_is_held_out(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    seed = tables.add(*GSM8K)
    every, held = both_sides(seed, tables.places)
    generator = {
        "model": "m",
        "revision": None,
        "temperature": 0.7,
        "top_p": 1.0,
        "max_tokens": 64,
        "seed": 0,
    }
    strategy = {
        **{"kind": "llm", "name": "responses", "prompts": {}, "rounds": 1, "paths": 1, "answer": "gsm8k"},
        **{"writer": generator, "solver": generator, "agreement": 0.0, "gold": False},
        **{"solve": {"system": "", "user": "{query}"}, "filters": {"equations": False}},
    }
    with chatty(lambda body: f"It is so.\n#### {len(str(body))}", lambda count: "well") as server:
        how = {"url": server.url, "key": "NO_SUCH_KEY", "concurrency": 2, "timeout": 5.0, "tries": 2}
        money = {"budget_tokens": None, "budget_dollars": None, "dollars_per_million": (0.0, 0.0)}
        _, rows = pool(tmp_path, strategy, seed, {**tables.places, "server": {**how, **money}})
        asked = "".join(server.asked)
    assert {row["source_id"] for row in rows} == set(every.source_ids) - set(held.source_ids)
    assert not any(query in asked for query in held.queries)


@pytest.mark.parametrize("by_name", [True, False])
def test_rows_of_a_table_from_held_out_sources_are_left_out_by_name_or_by_text(
    tmp_path: Path, by_name: bool
) -> None:
    tables = Tables(tmp_path)
    seed = tables.add(*GSM8K)
    every, held = both_sides(seed, tables.places)
    of = dict(zip(every.source_ids, every.queries, strict=True))
    table = tables.add(
        *(
            (source if by_name else of[source], f"In other words: {query}", "#### 1")
            for source, query in of.items()
        )
    )
    summary, rows = pool(tmp_path, {"kind": "table", "name": "table", "source": table}, seed, tables.places)
    assert summary["removed"]["held out"] == len(held) > 0
    assert len(rows) == len(every) - len(held)
    assert not any(query in row["query"] for row in rows for query in held.queries)


def test_a_table_that_does_not_say_its_sources_is_refused_before_anything_is_held_out(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    seed, table = tables.add(*GSM8K), tables.add(("x1", "Another?", "#### 1"), ("x2", "More?", "#### 2"))
    spec = {"version": 1, "seed": seed, "decontaminate": [], "validation": THIRD}
    strategy = {"kind": "table", "name": "table", "source": table}
    with pytest.raises(Refused, match=r"no row of .* names a seed problem in column 's'"):
        size({**spec, "strategy": strategy}, tables.places)
    tables.places[table["digest"]]["source"] = None
    with pytest.raises(Refused, match=r"name the column with strategy\.source\.source"):
        size({**spec, "strategy": strategy}, {**tables.places})


@pytest.mark.parametrize("validation", [{"count": 12}, {"share": 0.001}])
def test_a_side_without_problems_is_refused(validation: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="leaves some on both sides"):
        inspect({**ASKED, "validation": validation}, "gsm8k")
