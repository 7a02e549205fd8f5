"""Other numbers in annotated problems: every step adds up, and what must not vary does not."""

import json
import re
from fractions import Fraction
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import annotated
from experiments.annotated.augment import varied
from experiments.annotated.blueprint import Blueprint, blueprint
from experiments.annotated.draw import Variant, variants, written
from experiments.annotated.reading import Lost

REAL = Path(__file__).parents[3] / "shared/data/gsm8k/train.jsonl"

BAKERY = (
    "A baker sells 24 loaves for $3 each. She bakes an 8-pound cake, and spends $16 of it. What is left?",
    "She takes in 24*3=$<<24*3=72>>72.\nThere are 72-16=$<<72-16=56>>56 left of the $72.\n#### 56",
)
SHARED = (
    "Tom has 30 pens and gives away 6. He packs the rest into boxes of 4. How many boxes?",
    "Tom keeps 30-6=<<30-6=24>>24 pens.\nHe packs 24/4=<<24/4=6>>6 boxes.\n#### 6",
)


def rows(problem: tuple[str, str], n: int = 40, seed: int = 0) -> list[Variant]:
    return list(islice(variants(blueprint(*problem), Random(seed)), n))


def adds_up(solution: str) -> bool:
    """Computed by Python itself, in floating point, from what is written."""
    steps = re.findall(r"<<([-+*/().\d,]+)=([\d.,]+)>>", solution)
    assert len(steps) == solution.count("<<")
    return all(
        abs(eval(left.replace(",", "")) - float(right.replace(",", ""))) < 1e-6  # noqa: S307
        for left, right in steps
    )


def original(plan: Blueprint) -> Variant | None:
    return written(plan, [leaf.value for leaf in plan.leaves])


@pytest.mark.parametrize("problem", [BAKERY, SHARED])
def test_the_numbers_of_the_seed_make_the_seed_row(problem: tuple[str, str]) -> None:
    again = original(blueprint(*problem))
    assert again is not None
    assert (again.question, again.solution) == problem


@given(seed=st.integers(0, 10**6), problem=st.sampled_from([BAKERY, SHARED]))
def test_every_step_of_every_variant_adds_up_to_its_answer(seed: int, problem: tuple[str, str]) -> None:
    for variant in rows(problem, 5, seed):
        assert variant.question != problem[0]
        assert adds_up(variant.solution)
        last = re.findall(r"=([\d.,]+)>>", variant.solution)[-1]
        assert Fraction(last) == Fraction(variant.solution.rpartition("#### ")[2])


def test_a_number_changes_wherever_it_is_meant() -> None:
    for variant in rows(BAKERY):
        loaves, price = re.findall(r"sells (\d+) loaves for \$(\d+)", variant.question)[0]
        taken = int(loaves) * int(price)
        assert f"{loaves}*{price}=$<<{loaves}*{price}={taken}>>{taken}." in variant.solution
        assert f"left of the ${taken}." in variant.solution


def test_whole_results_stay_whole_and_positive_and_parts_stay_below_their_whole() -> None:
    drawn = rows(SHARED)
    assert len(drawn) > 10
    for variant in drawn:
        pens, given_away, boxes = map(int, re.findall(r"\d+", variant.question))
        assert (pens - given_away) % boxes == 0
        assert pens > given_away


def test_what_is_drawn_differs_and_is_drawn_again_for_the_same_seed() -> None:
    drawn = [variant.question for variant in rows(BAKERY)]
    assert len(set(drawn)) == len(drawn) == 40
    assert drawn == [variant.question for variant in rows(BAKERY)]
    assert drawn != [variant.question for variant in rows(BAKERY, seed=1)]


@pytest.mark.parametrize(
    "fixed",
    [
        "pays with a $50 bill",
        "gets 50% off",
        "does 1/50 of it",
        "rates it a 50-star place",
        "starts at 10:50",
        "works 50 hours a day",
        "lives on Route 50",
        "is born on May 50",
        "is the 50th",
        "owns 50k of it",
        "is 6 feet 50 inches tall",
    ],
)
def test_what_the_world_fixes_does_not_vary(fixed: str) -> None:
    question = f"Ann {fixed} and has 20 apples. What is the sum?"
    solution = "That is 50+20=<<50+20=70>>70.\n#### 70"
    for variant in rows((question, solution)):
        assert fixed in variant.question
        assert adds_up(variant.solution)


@pytest.mark.parametrize(
    ("question", "solution", "why"),
    [
        ("Ann has 20 pens.", "20\n#### 20", "no annotation"),
        ("Ann has 20 pens.", "<<20/0=20>>\n#### 20", "no calculation"),
        ("Ann has 20 pens.", "<<20;5=20>>\n#### 20", "no calculation"),
        ("Ann has 10 pens for 3.", "10/3=<<10/3=3.33>>3.33\n#### 3.33", "rounded"),
        ("Ann has 20 pens and 30.", "<<20+30=50>>50\n#### 51", "no step's result"),
        ("Ann has 20 pens and 30.", "<<20+30=50>>50", "no answer"),
        ("Ann has twenty pens.", "<<20+20=40>>40\n#### 40", "no number that may vary"),
        ("Ann has 20 pens.", "<<20+987=1007>>1007\n#### 1007", "comes from nowhere"),
        # Six is a number of the question and the result of a step: which one the last step means is open.
        ("6 girls have 2.5 and 2.4 each.", "<<2.5*2.4=6>>6 <<6*6=36>>36\n#### 36", "fixed or ambiguous"),
        # "3 men" are the brothers, not the papayas.
        ("Ann's brothers eat 3 figs a day.", "The 3 men eat <<3*3=9>>9\n#### 9", "fixed or ambiguous"),
    ],
)
def test_what_cannot_be_varied_safely_says_why(question: str, solution: str, why: str) -> None:
    with pytest.raises(Lost, match=why):
        blueprint(question, solution)


def test_a_number_that_was_computed_unseen_keeps_its_numbers_as_they_are() -> None:
    question = "Ann has 30 pens, Bob 12 pens, and Carl 5 pens of each colour."
    solution = "Two have 30+12=42 pens.\nAll have 42+5=<<42+5=47>>47.\n#### 47"
    for variant in rows((question, solution)):
        assert "30 pens, Bob 12 pens" in variant.question


def test_articles_agree_with_the_number() -> None:
    for variant in rows(("She has an 8-pound bag and 20 more.", "<<8+20=28>>28\n#### 28")):
        article, pounds = re.findall(r"(an?) (\d+)-pound", variant.question)[0]
        assert (article == "an") == (pounds in ("8", "11", "18"))


def test_problems_take_turns_and_what_is_lost_is_counted() -> None:
    found = annotated.Yield()
    problems = [("a", *BAKERY), ("b", "No number?", "None.\n#### 0"), ("c", *SHARED)]
    drawn = list(islice(varied(problems, 0, found), 10))
    assert [row.source_id for row in drawn] == ["a", "c"] * 5
    assert found.problems == {"varied": 2, "no annotation": 1}
    alone = list(islice(varied([("c", *SHARED)], 0, annotated.Yield()), 5))
    assert alone == drawn[1::2]


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="GSM8K is not here")
def test_real_problems_are_reproduced_and_their_variants_add_up() -> None:
    varied = 0
    lines = REAL.read_text(encoding="utf-8").splitlines()[::40]
    for line in lines:
        row = json.loads(line)
        try:
            plan = blueprint(row["question"], row["answer"])
        except Lost:
            continue
        again = original(plan)
        assert again is not None
        assert (again.question, again.solution) == (row["question"], row["answer"])
        drawn = list(islice(variants(plan, Random(0)), 3))
        assert all(adds_up(variant.solution) for variant in drawn)
        varied += bool(drawn)
    assert varied > len(lines) / 2
