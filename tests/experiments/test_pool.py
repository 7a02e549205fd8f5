"""Pools: nothing twice, nothing of a benchmark, and every removal counted."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from experiments.pool import make_pool, size
from experiments.resume import Resumption
from experiments.sources import inspect
from experiments.text import normalise
from orchestrator.refusal import Refused

WORLD = {"seed": 0, "n_units": 40, "n_everyday_units": 8, "zipf_alpha": 1.0, "zipf_offset": 6.0}
GIVEN = {"kind": "symbolic", "world": WORLD, "part": "seed", "n_items": 12}
TEST = {"kind": "symbolic", "world": WORLD, "part": "test", "n_items": 10}
SEED_STRATEGY = {"kind": "seed", "name": "seed"}


def augmented(rows: int, *operations: str) -> dict[str, Any]:
    chosen = {"operations": list(operations), "new_fact_share": 0.7, "generator_seed": 0}
    return {"kind": "symbolic", "name": "made", "rows": rows, **chosen}


class Tables:
    """Files that stand in specs by their digest, as the plan has them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places: dict[str, Any] = {}

    def add(self, *rows: tuple[str, str, str]) -> dict[str, Any]:
        path = self.folder / f"{len(list(self.folder.glob('*.jsonl')))}.jsonl"
        objects = [dict(zip(("s", "q", "r"), row, strict=True)) for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in objects))
        columns = {"query": "q", "response": "r", "source": "s"}
        place = {"kind": "table", "path": str(path), "split": "train", **columns}
        digest = inspect(place, None)["digest"]
        self.places[digest] = place
        return {"kind": "table", "digest": digest, **columns}


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def made(
    tmp_path: Path, strategy: dict[str, Any], seed: Any = GIVEN, against: Any = (TEST,), places: Any = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    spec = {"version": 1, "seed": seed, "strategy": strategy, "decontaminate": list(against)}
    summary = make_pool(
        spec, {}, tmp_path, lambda done, note: None, places or {}, Resumption(tmp_path / "state", 60.0)
    )
    assert size(spec, places or {}).items() <= summary.items()
    return summary, pq.read_table(tmp_path / "pool.parquet").to_pylist()


def test_the_seed_strategy_is_the_seed_problems(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, SEED_STRATEGY)
    assert summary["n_rows"] == summary["n_sources"] == summary["n_queries"] == len(rows) == 12
    assert summary["removed"] == {"empty": 0, "duplicate": 0, "benchmark": 0}
    assert {row["operation"] for row in rows} == {"seed"}
    columns = ["row_id", "source_id", "strategy", "operation", "path", "query", "response", "generator"]
    assert list(rows[0]) == columns


@pytest.mark.parametrize("operations", [("numbers", "fractions", "concepts", "complexity"), ()])
def test_a_generated_pool_has_the_rows_that_were_asked_for(
    tmp_path: Path, operations: tuple[str, ...]
) -> None:
    summary, rows = made(tmp_path, augmented(100, *operations))
    assert summary["n_rows"] == len({row["row_id"] for row in rows}) == 100
    assert summary["n_sources"] == 12
    assert summary["n_queries"] == (12 if not operations else len({row["query"] for row in rows}))
    assert summary["n_tokens_estimate"] > 100 * 20


def test_a_pool_is_made_the_same_way_every_time(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        made(tmp_path / name, augmented(50, "numbers"))
    assert (tmp_path / "one/pool.parquet").read_bytes() == (tmp_path / "other/pool.parquet").read_bytes()


def test_more_rows_than_a_generator_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"'made' promises 100000 rows, but 12 .* yield only \d+; lower"):
        made(tmp_path, augmented(100_000))


def test_the_world_does_not_rewrite_a_table(tmp_path: Path, tables: Tables) -> None:
    seed = tables.add(("s", "q", "r"))
    with pytest.raises(Refused, match="rewrites problems of the symbolic world"):
        made(tmp_path, augmented(10, "numbers"), seed, (), tables.places)


def test_what_is_removed_is_counted(tmp_path: Path, tables: Tables) -> None:
    rows = tables.add(
        ("b", "How many?", "one way"),
        ("b", "how  MANY?", "One way"),  # the same once normalised
        ("a", "How many?", "one way"),
        ("a", "How many?", "another way"),
        ("a", "What is tested ?", "leak"),
        ("a", " ", "empty"),
        ("a", "empty", "\n"),
    )
    tested = tables.add(("t", "what is\tTESTED ?", "#### 1"))
    strategy = {"kind": "table", "name": "given", "source": rows}
    summary, kept = made(tmp_path, strategy, GIVEN, (tested,), tables.places)
    assert summary["removed"] == {"empty": 2, "duplicate": 2, "benchmark": 1}
    assert [(row["source_id"], row["query"], row["response"]) for row in kept] == [
        ("a", "How many?", "one way"),
        ("a", "How many?", "another way"),
    ]
    assert [row["path"] for row in kept] == [1, 2]
    assert {row["generator"] for row in kept} == {"table"}


def given(
    tmp_path: Path, tables: Tables, rows: list[tuple[str, str, str]], **filters: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    strategy = {"kind": "table", "name": "given", "source": tables.add(*rows), "filters": filters}
    tested = tables.add(("t", TESTED, "#### 1"))
    return made(tmp_path, strategy, GIVEN, (tested,), tables.places)


TESTED = "Ann has 48 pens and gives half of them to her two friends in April. How many are left?"


def test_filters_keep_what_they_ask_for_and_count_the_rest(tmp_path: Path, tables: Tables) -> None:
    rows = [
        ("a", "What is left?", "2*3=<<2*3=6>>6\n#### 6"),
        ("a", "What is left?", "6\n#### six"),
        ("a", "What is left?", "2*3=<<2*3=7>>7\n#### 7"),
        ("a", "What is left?", "2*3=<<2*three=6>>6\n#### 6"),
        ("a", "What is left?", f"{'so ' * 80}\n#### 6"),
        ("a", "What is left?", "It is 2*3 = <<2*3=6>>6.\n#### 6"),
        ("b", "What is left over?", "2*3=<<2*3=6>>6\n#### 6"),
        ("b", "What is left over?", "2 x 3 = 6\n#### 6"),
    ]
    filters = {"answer": "gsm8k", "max_characters": 200, "equations": True, "distinct_paths": True}
    summary, kept = given(tmp_path, tables, rows, **filters)
    lost = {"no answer": 1, "wrong equation": 2, "too long": 1, "same path": 2}
    assert {reason: n for reason, n in summary["removed"].items() if n} == lost
    assert [(row["source_id"], row["path"]) for row in kept] == [("a", 0), ("b", 0)]
    assert given(tmp_path, tables, rows)[0]["n_rows"] == len(rows)


def test_rows_in_another_language_go_and_formulas_have_none(tmp_path: Path, tables: Tables) -> None:
    rows = [
        ("a", "Ann has 12 pens and buys 5 more of them at the market. How many has she?", "#### 17"),
        ("b", "Ann hat 12 Stifte und kauft auf dem Markt 5 weitere. Wie viele hat sie?", "#### 17"),
        ("c", "$\\frac{x}{2}+\\sqrt{y}=\\text{sin}(z)$ und $abcdefghijklmnop=qrstuvwxyz$", "$12+5=17$"),
    ]
    summary, kept = given(tmp_path, tables, rows, language="en")
    assert summary["removed"]["other language"] == 1
    assert [row["source_id"] for row in kept] == ["a", "c"]


def test_of_near_duplicates_the_first_stays_with_all_its_rows(tmp_path: Path, tables: Tables) -> None:
    long = (
        "a farmer has forty two cows and sells every third of them at the market in the next town on monday"
    )
    rows = [
        ("a", f"{long}. How many?", "one"),
        ("b", f"{long}, how many now?", "other"),
        ("a", f"{long}. How many?", "two"),
        ("c", "A farmer has forty two cows. How many?", "three"),
    ]
    summary, kept = given(tmp_path, tables, rows, near_duplicates=0.7)
    assert [row["response"] for row in kept] == ["one", "two", "three"]
    assert summary["removed"]["near duplicate"] == 1
    assert (summary["n_rows"], summary["n_sources"], summary["n_queries"]) == (3, 2, 2)


def test_what_a_pool_has_of_a_benchmark_is_told_apart(tmp_path: Path, tables: Tables) -> None:
    rows = [
        ("a", TESTED.upper(), "leak"),
        ("a", TESTED.replace("48", "50").replace("two", "7"), "other numbers"),
        ("a", f"Say: {TESTED}", "a long run of its words"),
        ("a", "She gives half of them to her two friends in May", "a short run"),
        ("a", "Something else?", "nothing"),
        ("b", "something  else?", "equal queries count once"),
    ]
    summary, _ = given(tmp_path, tables, rows)
    assert summary["removed"]["benchmark"] == 1
    [met] = summary["overlaps"].values()
    assert met == {"n_same": 0, "n_same_mould": 1, "n_short_runs": 3, "n_long_runs": 1}


def test_a_pool_of_which_filters_leave_nothing_says_so(tmp_path: Path, tables: Tables) -> None:
    with pytest.raises(Refused, match="contains nothing but 1 rows with 'no answer'"):
        given(tmp_path, tables, [("a", "What?", "Nobody knows.")], answer="gsm8k")


def test_a_pool_of_nothing_but_test_items_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"'seed' contains nothing but 10 items of the world's test part"):
        made(tmp_path, SEED_STRATEGY, TEST)


def test_no_row_of_any_pool_asks_what_a_benchmark_asks(tmp_path: Path) -> None:
    own_queries = {**GIVEN, "n_items": 5}
    summary, rows = made(tmp_path, augmented(60, "numbers", "concepts"), GIVEN, (TEST, own_queries))
    assert summary["n_rows"] == 60
    (tmp_path / "given").mkdir()
    _, tested = made(tmp_path / "given", SEED_STRATEGY, own_queries, ())
    assert not {normalise(row["query"]) for row in rows} & {normalise(row["query"]) for row in tested}


@pytest.mark.parametrize("query", ["A  b\nC", "a b c", " A B\u00a0C "])
def test_case_and_white_space_do_not_tell_texts_apart(query: str) -> None:
    assert normalise(query) == "a b c"
