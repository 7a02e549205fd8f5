import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.text import normalise
from experiments.world import Row, augmented, base_mixture, items, vocabulary
from experiments.world.lexicon import generator, lexicon
from orchestrator.cell import Pretrain
from orchestrator.refusal import Refused
from orchestrator.specs import Operation, SymbolicSource, World
from orchestrator.strategies import SymbolicStrategy

WORLD = World(seed=0, n_units=2000, n_everyday_units=64, zipf_alpha=1.0, zipf_offset=6.0)
PRETRAIN = Pretrain(
    tokens=1000, batch_size=8, learning_rate=1e-3, seed=0, drills_share=0.3, everyday_share=0.5
)
OPERATIONS: tuple[Operation, ...] = ("numbers", "fractions", "concepts", "conditional", "complexity")
STRATEGIES: Mapping[str, tuple[Operation, ...]] = {
    "queries": OPERATIONS,
    "numbers": ("numbers",),
    "responses": (),
}
ARITHMETIC = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def part(name: Any, n_items: int) -> SymbolicSource:
    return SymbolicSource(kind="symbolic", world=WORLD, part=name, n_items=n_items)


def strategy(name: str, new_fact_share: float = 0.7) -> SymbolicStrategy:
    return SymbolicStrategy(
        kind="symbolic",
        name=name,
        operations=STRATEGIES[name],
        new_fact_share=new_fact_share,
        rows=8192,
        generator_seed=0,
    )


SEED = part("seed", 400)
FORBIDDEN = frozenset(problem.query for problem in [*items(part("test", 600)), *items(part("ood", 400))])


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    return {name: list(islice(augmented(strategy(name), SEED, FORBIDDEN), 8192)) for name in STRATEGIES}


def every_text(rows: dict[str, list[Row]]) -> list[tuple[str, str]]:
    problems = [problem for name in ("seed", "test", "ood") for problem in items(part(name, 300))]
    passages = islice(base_mixture(PRETRAIN, WORLD, FORBIDDEN, "base"), 1000)
    made = [row for name in STRATEGIES for row in rows[name][:1000]]
    return [(text.query, text.response) for text in (*problems, *passages, *made)]


@given(st.sampled_from(["seed", "test", "ood"]), st.integers(1, 300), st.integers(1, 300))
@settings(deadline=None, max_examples=20)
def test_fewer_items_are_a_prefix_of_more(name: str, n_one: int, n_other: int) -> None:
    fewer, more = sorted((n_one, n_other))
    assert items(part(name, more))[:fewer] == items(part(name, fewer))


@pytest.mark.parametrize("name", ["seed", "test", "ood"])
def test_no_item_is_asked_twice(name: str) -> None:
    problems = items(part(name, 400))
    assert len({problem.query for problem in problems}) == len({p.source_id for p in problems}) == 400


@pytest.mark.slow
def test_no_test_question_is_a_seed_however_many_there_are() -> None:
    seeds = {problem.query for problem in items(part("seed", 5000))}
    assert seeds.isdisjoint(problem.query for problem in items(part("test", 5000)))


def test_a_world_with_another_seed_is_another_world() -> None:
    other = World(**{**WORLD.model_dump(), "seed": 1})
    assert lexicon(other).units != lexicon(WORLD).units


def test_items_are_the_same_in_every_process() -> None:
    program = (
        "from experiments.world import items; from orchestrator.specs import SymbolicSource as S;"
        f"print([p for n in ('seed', 'test', 'ood') for p in items(S.model_validate_json("
        f"'''{part('seed', 20).model_dump_json()}''').model_copy(update=dict(part=n)))])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    here = [problem for name in ("seed", "test", "ood") for problem in items(part(name, 20))]
    assert found.stdout.strip() == str(here)


def test_every_text_is_made_of_known_words_in_normal_form(rows: dict[str, list[Row]]) -> None:
    known = set(vocabulary(WORLD))
    for query, response in every_text(rows):
        assert {*query.split(), *response.split()} <= known
        assert (query, response) == (normalise(query), normalise(response))


def test_every_step_of_every_solution_is_right(rows: dict[str, list[Row]]) -> None:
    for _, response in every_text(rows):
        steps = re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)", response)
        assert steps
        for left, sign, right, value in steps:
            assert ARITHMETIC[sign](int(left), int(right)) == int(value)
        if "####" in response:
            assert response.endswith(f" #### {steps[-1][3]}")


def test_every_solution_states_the_facts_of_its_question(rows: dict[str, list[Row]]) -> None:
    sizes = lexicon(WORLD).sizes
    for query, response in every_text(rows):
        units = [word for word in query.split() if word in sizes]
        told = re.findall(r"(?:is|holds) (\d+) \.|(\d+) in a", response)
        assert [int(first or second) for first, second in told] == [sizes[unit] for unit in units]


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_augmentation_gives_8192_rows_that_never_repeat(name: str, rows: dict[str, list[Row]]) -> None:
    pairs = {(row.query, row.response) for row in rows[name]}
    assert len(pairs) == len(rows[name]) == 8192
    assert pairs.isdisjoint((problem.query, problem.response) for problem in items(SEED))
    assert FORBIDDEN.isdisjoint(query for query, _ in pairs)


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_every_seed_problem_gives_rows_evenly(name: str, rows: dict[str, list[Row]]) -> None:
    counts = Counter(row.source_id for row in rows[name])
    assert len(counts) == SEED.n_items
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_the_path_counts_the_solutions_of_a_query(name: str, rows: dict[str, list[Row]]) -> None:
    seen = Counter(problem.query for problem in items(SEED))
    for row in rows[name]:
        assert row.path == seen[row.query]
        seen[row.query] += 1


def test_responses_answer_the_question_they_were_made_from(rows: dict[str, list[Row]]) -> None:
    questions = {problem.source_id: problem for problem in items(SEED)}
    for row in rows["responses"]:
        given = questions[row.source_id]
        assert row.query == given.query
        assert row.response.split()[-1] == given.response.split()[-1]


def test_new_numbers_keep_the_units_of_the_seed_problem(rows: dict[str, list[Row]]) -> None:
    sizes = lexicon(WORLD).sizes
    units = {problem.source_id: [w for w in problem.query.split() if w in sizes] for problem in items(SEED)}
    for row in rows["numbers"]:
        assert [word for word in row.query.split() if word in sizes] == units[row.source_id]


def test_the_share_of_new_facts_is_the_one_asked_for(rows: dict[str, list[Row]]) -> None:
    sizes = lexicon(WORLD).sizes
    units = {problem.source_id: [w for w in problem.query.split() if w in sizes] for problem in items(SEED)}
    rewritten = [row for row in rows["queries"] if row.operation != "numbers"]
    kept = [next(w for w in row.query.split() if w in sizes) == units[row.source_id][0] for row in rewritten]
    # A unit that is drawn may be the seed's own, so a few more than 30 % keep it.
    assert 0.28 < sum(kept) / len(kept) < 0.35


def test_a_strategy_without_new_facts_knows_only_the_units_of_its_seeds() -> None:
    operations = tuple(name for name in OPERATIONS if name != "concepts")
    given = strategy("queries", 0.0).model_copy(update={"operations": operations})
    units = {word for problem in items(SEED) for word in problem.query.split()}
    for row in islice(augmented(given, SEED, FORBIDDEN), 2000):
        assert {word for word in row.query.split() if word in lexicon(WORLD).sizes} <= units


@pytest.mark.slow
def test_augmentation_ends_when_nothing_new_is_left() -> None:
    few = part("seed", 2)
    assert 2 * 21 <= len(list(augmented(strategy("responses"), few, frozenset()))) < 1000
    assert len(list(augmented(strategy("numbers"), few, frozenset()))) < 50_000


def test_the_base_reads_no_unit_of_the_world_and_no_forbidden_question() -> None:
    passages = list(islice(base_mixture(PRETRAIN, WORLD, FORBIDDEN, "base"), 3000))
    read = {word for passage in passages for word in f"{passage.query} {passage.response}".split()}
    assert read.isdisjoint(lexicon(WORLD).units)
    assert FORBIDDEN.isdisjoint(passage.query for passage in passages)


def test_what_is_rehearsed_is_not_what_was_read_first() -> None:
    first, rehearsed = (
        list(islice(base_mixture(PRETRAIN, WORLD, FORBIDDEN, purpose), 50))
        for purpose in ("base", "rehearsal")
    )
    assert first != rehearsed


def test_common_units_are_drawn_as_zipf_and_mandelbrot_say() -> None:
    known, random = lexicon(WORLD), generator("draws")
    counts = Counter(known.draw_unit(random) for _ in range(20_000))
    total = sum(1 / (rank + 6.0) for rank in range(1, 2001))
    for rank in (1, 10, 30):
        expected = 20_000 / (rank + 6.0) / total
        assert abs(counts[known.units[rank - 1]] - expected) < 5 * expected**0.5


def test_a_world_with_more_units_than_words_is_refused() -> None:
    with pytest.raises(Refused, match="lower n_units"):
        lexicon(World(**{**WORLD.model_dump(), "n_units": 10**6}))
