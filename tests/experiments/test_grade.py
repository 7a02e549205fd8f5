"""The GSM8K rule: which number of a text is its answer, and whether two answers are the same."""

import json
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.grade import answer_number, grade, number_text, reference_number

GSM8K = Path(__file__).parents[2].parent / "shared" / "data" / "gsm8k"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("so 3 + 4 = 7 #### 7", "7"),
        ("#### 1\nno, #### 2", "2"),
        ("The answer is: 12.", "12"),
        ("the answer is 3, no, THE  ANSWER\nIS $1,080.50 per day", "1080.5"),
        ("the answer is 3 #### 4", "4"),
        ("the answer is 3 ####", "3"),
        ("the answer is 3 #### none\n9", "3"),
        ("####\n 18", "18"),
        ("#### $-5", "-5"),
        ("#### -$1,200", "-1200"),
        ("#### \u22127", "-7"),
        ("#### +7", "7"),
        ("#### 50%", "50"),
        ("#### 3/4", "0.75"),
        ("#### 1 / 3", "1/3"),
        ("#### \\frac{1}{8}", "0.125"),
        ("#### \\boxed{42}", "42"),
        ("#### .5", "0.5"),
        ("#### 18.", "18"),
        ("#### 18 apples and 3 pears", "18"),
        ("#### room-18", "18"),
        ("#### x = 2.50 dollars", "2.5"),
        ("#### 1.1e+18", "1100000000000000000"),
        ("#### 5/0", None),
        ("#### " + "9" * 101, None),
        ("7 is what I get", None),
        ("", None),
    ],
)
def test_the_answer_is_the_number_behind_the_last_mark(text: str, number: str | None) -> None:
    found = answer_number(text)
    assert (None if found is None else number_text(found)) == number


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("She sells 9 eggs.\n#### 18", 18),
        ("145.0", 145),
        ("9 (apples)", 9),
        ("$1,200", 1200),
        ("-3", -3),
        ("1e+16", 10**16),
        ("Janet has 5 apples, so 5", None),
        ("5 apples and 3 pears", None),
        ("5 apples, which is what was left after Jane had eaten all the others", None),
        ("####", None),
        ("yes", None),
        ("", None),
    ],
)
def test_a_reference_is_a_solution_or_a_bare_answer(reference: str, number: int | None) -> None:
    assert reference_number(reference) == number


@pytest.mark.parametrize(
    ("completion", "reference", "reason"),
    [
        ("#### 18.00001", 18, "correct"),
        ("#### 18.01", 18, "wrong"),
        ("#### 1000001", 1_000_000, "wrong"),
        ("#### 33.33", Fraction(100, 3), "correct"),
        ("#### 33.3", Fraction(100, 3), "wrong"),
        ("#### 1/3", Fraction(1, 3), "correct"),
        ("nothing", 18, "no answer"),
    ],
)
def test_integers_are_met_exactly_and_fractions_up_to_rounding(
    completion: str, reference: Fraction, reason: str
) -> None:
    assert grade(completion, Fraction(reference)).reason == reason


def test_an_answer_that_was_cut_off_is_told_from_one_never_given() -> None:
    assert grade("and then", Fraction(1), "length").reason == "truncated"
    assert grade("and then", Fraction(1), "stop").reason == "no answer"
    assert grade("#### 1 and then", Fraction(1), "length").reason == "correct"


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_every_number_is_read_as_it_is_written(value: object) -> None:
    text = f"{value:f}"
    number = answer_number(f"#### {text}")
    if len(text) <= 100:
        assert number == Fraction(text)
        assert answer_number(f"#### {number_text(Fraction(text))}") == number


@given(st.text())
def test_no_text_breaks_the_rule(text: str) -> None:
    for marked in (text, f"#### {text}", f"the answer is {text}"):
        number = answer_number(marked)
        assert number is None or Fraction(number_text(number)) == number
        reference_number(marked)


@pytest.mark.parametrize(
    "bomb",
    ["9", "-", "$", ",", "1,", "#### ", "the answer is ", "the" + " " * 50, "\\frac{", "1/", "\0", "e", "."],
)
def test_a_megabyte_of_anything_is_graded_at_once(bomb: str) -> None:
    text = "#### " + bomb * (1_000_000 // len(bomb))
    begun = time.process_time()
    grade(text, Fraction(1))
    grade("the answer is" + text, Fraction(1))
    reference_number(text[5:])
    assert time.process_time() - begun < 1.5


@pytest.mark.skipif(not GSM8K.is_dir(), reason="needs the GSM8K files")
def test_every_reference_of_gsm8k_is_its_own_answer() -> None:
    for split in ("train", "test"):
        lines = (GSM8K / f"{split}.jsonl").read_text(encoding="utf-8").strip().split("\n")
        for line in lines:
            solution = json.loads(line)["answer"]
            reference = reference_number(solution)
            assert reference is not None
            bare = solution.rpartition("####")[2].strip()
            assert reference == reference_number(bare) == Fraction(bare.replace(",", ""))
            assert grade(solution, reference).correct
