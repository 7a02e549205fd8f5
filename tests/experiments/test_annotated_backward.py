"""Annotated problems backwards: undoing the calculations finds the hidden number, or it is not asked for."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from experiments.annotated.augment import Yield
from experiments.annotated.backward import backwards
from experiments.annotated.numerals import value_of
from experiments.annotated.solution import answer_of, computes, steps_of
from experiments.pool import make_pool
from experiments.resume import Resumption
from orchestrator.refusal import Refused
from orchestrator.strategies import Masked
from tests.experiments.test_pool import Tables

REAL = Path(__file__).parents[3] / "shared/data/gsm8k/train.jsonl"
MASKED = Masked(letter="x", numbers=9, question="{query} The answer is {answer}. What is x?")
TULIPS = (
    "A gardener plants 6 rows of 8 tulips and 7 roses. She gives 10 away and sells the others for $3.",
    "She plants 6*8=<<6*8=48>>48 tulips.\n48+7-10=<<48+7-10=45>>45 flowers are left.\n"
    "They bring 45*3=<<45*3=135>>135 dollars.\n#### 135",
)


def of(question: str, solution: str, masked: Masked = MASKED) -> dict[str, list[str]]:
    """The lines of the solution by the question's."""
    made = backwards([("s", question, solution)], masked, Yield())
    return {row.query: row.response.splitlines() for row in made}


def test_a_hidden_number_is_found_by_undoing_the_calculations() -> None:
    made = of(*TULIPS)
    assert made[TULIPS[0].replace("8", "x", 1) + " The answer is 135. What is x?"] == [
        "Back from the answer 135: 135/3=<<135/3=45>>45.",
        "Then 45+10=<<45+10=55>>55.",
        "Then 55-7=<<55-7=48>>48.",
        "Then 48/6=<<48/6=8>>8.",
        "So x is 8.",
        "#### 8",
    ]


def test_what_does_not_need_the_number_is_computed_first_in_the_solutions_own_words() -> None:
    made = of(*TULIPS)
    assert made[TULIPS[0].replace("7", "x", 1) + " The answer is 135. What is x?"] == [
        "She plants 6*8=<<6*8=48>>48 tulips.",
        "Back from the answer 135: 135/3=<<135/3=45>>45.",
        "Then 45+10=<<45+10=55>>55.",
        "Then 55-48=<<55-48=7>>7.",
        "So x is 7.",
        "#### 7",
    ]
    assert len(made) == 5


@pytest.mark.parametrize(
    ("solution", "line"),
    [
        ("(20-12)/2=<<(20-12)/2=4>>4\n#### 4", "20-8=<<20-8=12>>12"),
        ("100/(12+8)=<<100/(12+8)=5>>5\n#### 5", "100/5=<<100/5=20>>20"),
        ("60-(12+8)=<<60-(12+8)=40>>40\n#### 40", "60-40=<<60-40=20>>20"),
        ("90-12*3=<<90-12*3=54>>54\n#### 54", "36/3=<<36/3=12>>12"),
        ("12/(8*.5)=<<12/(8*.5)=3>>3\n#### 3", "3*8*0.5=<<3*8*0.5=12>>12"),
    ],
)
def test_calculations_of_several_signs_are_undone_from_outside(solution: str, line: str) -> None:
    question = "There are 20, 12, 2, 100, 8, 60, 90, 3 and .5 things."
    [lines] = [lines for query, lines in of(question, solution).items() if " x, 2," in query]
    assert any(line in each for each in lines)
    assert lines[-1] == "#### 12"


@pytest.mark.parametrize(
    "solution",
    [
        "12*12=<<12*12=144>>144\n#### 144",  # needed twice
        "12*2=<<12*2=24>>24\n24+12=<<24+12=36>>36\n#### 36",  # two ways lead to it
        "12*0=<<12*0=0>>0\n#### 0",  # any number would do
    ],
)
def test_a_number_that_undoing_does_not_find_is_not_asked_for(solution: str) -> None:
    assert not [query for query in of("There are 12 or 2 or 0 of them.", solution) if "are x" in query]


def pool(tmp_path: Path, **changes: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    tables = Tables(tmp_path)
    seed = tables.add(("a", *TULIPS), ("b", "Is x 3?", "3+1=<<3+1=4>>4\n#### 4"), ("c", "None?", "#### 0"))
    strategy = {"kind": "annotated", "name": "fobar", "rows": 2, "generator_seed": 0}
    masked = {**dict(MASKED), "numbers": 2}
    spec = {"strategy": {**strategy, "masked": masked, **changes}, "seed": seed, "decontaminate": []}
    (tmp_path / "made").mkdir()
    resumption = Resumption(tmp_path / "state", 60.0)
    told = make_pool(
        {**spec, "version": 1}, {}, tmp_path / "made", lambda *_: None, tables.places, resumption
    )
    return told, pq.read_table(tmp_path / "made/pool.parquet").to_pylist()


def test_backward_questions_are_a_pool_of_their_own(tmp_path: Path) -> None:
    summary, rows = pool(tmp_path)
    assert (summary["n_rows"], summary["n_sources"], summary["n_queries"]) == (2, 1, 2)
    assert {(row["operation"], row["source_id"], row["generator"]) for row in rows} == {
        ("fobar", "a", "annotated")
    }


def test_more_than_the_problems_give_is_refused_with_how_much_they_do(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="'fobar' promises 3 rows, but 3 seed problems yield only 2"):
        pool(tmp_path, rows=3)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="GSM8K is not here")
def test_real_problems_backwards_find_what_was_hidden() -> None:
    lines = REAL.read_text(encoding="utf-8").splitlines()[:1000]
    given = [(str(n), one["question"], one["answer"]) for n, one in enumerate(map(json.loads, lines))]
    found = Yield()
    rows = list(backwards(given, MASKED.model_copy(update={"letter": "Z"}), found))
    assert found.problems["backwards"] > 400
    for row in rows:
        answer = answer_of(row.response)
        assert answer is not None
        assert all(map(computes, steps_of(row.response)))
        # The hidden number, put back, gives the problem.
        before, _, after = row.query.rpartition(" The answer is ")[0].partition("Z")
        question = given[int(row.source_id)][1]
        assert question.startswith(before)
        assert question.endswith(after)
        hidden = question[len(before) : len(question) - len(after)]
        assert value_of(hidden) == answer.value
