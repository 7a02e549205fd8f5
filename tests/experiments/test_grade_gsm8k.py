"""The GSM8K rule: which number of a text is its answer, and whether two answers are the same."""

import json
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.grading import gsm8k
from experiments.grading.numbers import number_text
from experiments.grading.verdict import Verdict

GSM8K = Path(__file__).parents[2].parent / "shared" / "data" / "gsm8k"
ONE = gsm8k.Reference(Fraction(1), "1")


def answered(text: str) -> str | None:
    """The number that is read as the answer, in plain digits."""
    return gsm8k.grade(text, ONE, "stop").answer


def graded(completion: str, reference: object, finish_reason: str = "stop") -> Verdict:
    expected = gsm8k.reference(str(reference))
    assert expected is not None
    return gsm8k.grade(completion, expected, finish_reason)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("so 3 + 4 = 7 #### 7", "7"),
        ("#### 1\nno, #### 2", "2"),
        ("The answer is: 12.", "12"),
        ("The final answer is 12", "12"),
        ("**The answer is**: $18$", "18"),
        ("the answer is 3, no, THE  ANSWER\nIS $1,080.50 per day", "1080.5"),
        ("the answer is 3 #### 4", "4"),
        # What is said last counts.
        ("#### 3\nWait, that is wrong. The answer is 4.", "4"),
        ("#### 4. The answer is obvious.", "4"),
        ("The correct answer is 4", "4"),
        ("The answer is:\n\n**18**", "18"),
        ("The answer is:\n\\[\n18\n\\]", "18"),
        ("The answer is:\n$$\n18\n$$", "18"),
        # Arithmetic that leads to an answer is none of it.
        ("The answer is 20 - 5 = 15 apples.", "15"),
        ("#### 5 apples + 13 apples = 18 apples", "18"),
        ("#### 20-5=<<20-5=15>>15", "15"),
        ("The answer is $9 \\times 2 = 18$", "18"),
        ("#### 9 plus 9 equals 18", "18"),
        ("#### 3\u00b2 = 9", "9"),
        ("\\boxed{2+12=14}", "14"),
        ("\\boxed{14\\text{ cm}^2}", "14"),
        ("#### 18 = 9*2", "18"),
        ("#### 3 hours = 180 minutes", "3"),
        ("The answer is 15 because 3*6 = 18", "15"),
        ("The answer is 15 (3*5 = 15)", "15"),
        ("#### 18 apples - 3 for each", "18"),
        ("#### 50% of 36 = 18", "18"),
        ("#### 18 of 20", "18"),
        ("The answer is:\n- 18 apples", "18"),
        ("#### Profit - 18", "18"),
        ("#### Rs.500", "500"),
        ("the answer is 3 ####", "3"),
        ("the answer is 3 #### none\n9", "3"),
        ("#### 5\n####", "5"),
        ("####\n 18", "18"),
        ("so \\boxed{1} + \\boxed{18}", "18"),
        ("The answer is \\boxed{\\$1,080}", "1080"),
        ("the answer is 3, as \\boxed{4} shows", "3"),
        ("#### 18 apples and 3 pears", "18"),
        ("#### room-18", "18"),
        ("#### x = 2.50 dollars", "2.5"),
        ("#### 18.", "18"),
        ("#### <b>18</b>", "18"),
    ],
)
def test_the_answer_is_the_number_behind_the_last_mark(text: str, number: str) -> None:
    assert answered(text) == number


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("$-5", "-5"),
        ("-$1,200", "-1200"),
        ("\u22127", "-7"),
        ("+7", "7"),
        ("50%", "50"),
        ("\u20ac5", "5"),
        ("\u00a312.50", "12.5"),
        (".5", "0.5"),
        ("3/4", "0.75"),
        ("1 / 3", "1/3"),
        ("\\frac{1}{8}", "0.125"),
        ("\\frac18", "0.125"),
        ("-\\dfrac{1}{8}", "-0.125"),
        ("\\frac{-1}{8}", "-0.125"),
        ("2 1/2", "2.5"),
        ("2\\frac{1}{2}", "2.5"),
        ("\u00bd", "0.5"),
        ("2\u00bd", "2.5"),
        ("0.\\overline{3}", "1/3"),
        ("1.1\\overline{6}", "7/6"),
        ("1.1e+18", "1100000000000000000"),
        ("1.5E3", "1500"),
        ("1.5 \\times 10^{3}", "1500"),
        ("1.5 \u00d7 10^3", "1500"),
        ("2 * 10^-2", "0.02"),
        ("1{,}080", "1080"),
        ("1\\,080", "1080"),
        ("1\u202f080", "1080"),
        ("1 080", "1080"),
        ("12 345 678.5", "12345678.5"),
        ("1'080", "1080"),
        ("1.234.080", "1234080"),
        ("1.234,50", "1234.5"),
        ("3,5", "3.5"),
        ("0,125", "0.125"),
        ("1,00,000", "100000"),
        ("1.080", "1.08"),
        ("1 and 1/2", "1.5"),
        ("\u215a", "5/6"),
        ("7\u00d710\u2074", "70000"),
        ("minus 5", "-5"),
        ("negative 5", "-5"),
        ("- 5", "-5"),
        ("\uff11\uff18", "18"),
        ("\u202e18\u202c", "18"),
        ("1\u200b8", "18"),
        ("1\x008", "18"),
    ],
)
def test_a_number_is_read_however_it_is_written(written: str, number: str) -> None:
    assert answered(f"#### {written}") == number
    reference = gsm8k.reference(written)
    assert reference is not None
    assert reference.shown == number


@pytest.mark.parametrize(
    "text",
    [
        *("#### 2*4", "#### 18-20", "#### 6:30", "#### 10^4", "#### 2:1"),
        *("#### none", "the answer is unknown", "#### 5/0", "#### 1e400", "\\boxed{x}", "\\boxed{x^2+2x}"),
    ],
)
def test_an_answer_that_is_no_number_is_unparsable(text: str) -> None:
    assert gsm8k.grade(text, ONE, "stop") == Verdict(None, "unparsable")
    assert gsm8k.grade(text, ONE, "length") == Verdict(None, "truncated")


@pytest.mark.parametrize("text", ["7 is what I get", ""])
def test_without_a_mark_there_is_no_answer(text: str) -> None:
    assert gsm8k.grade(text, ONE, "stop") == Verdict(None, "no answer")


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("She sells 9 eggs.\n#### 18", 18),
        ("145.0", 145),
        ("9 (apples)", 9),
        ("$1,200", 1200),
        ("-3", -3),
        ("x = 18", 18),
        ("**18**", 18),
        ("\\(18\\)", 18),
        ("2 million dollars", 2_000_000),
        ("1e+16", 10**16),
        ("Janet has 5 apples, so 5", None),
        ("5 apples and 3 pears", None),
        ("5 apples, which is what was left after Jane had eaten all the others", None),
        ("3:30", None),
        ("####", None),
        ("yes", None),
        ("", None),
    ],
)
def test_a_reference_is_a_solution_or_a_bare_answer(reference: str, number: int | None) -> None:
    found = gsm8k.reference(reference)
    assert (None if found is None else found.value) == number


def test_an_answer_that_was_cut_off_is_told_from_one_never_given() -> None:
    assert graded("and then", 1, "length").reason == "truncated"
    assert graded("and then", 1, "stop").reason == "no answer"
    assert graded("#### 1 and then", 1, "length").reason == "correct"


def test_the_baseline_wants_the_reference_to_the_letter() -> None:
    assert graded("#### 1,080", "so #### 1,080").exact
    assert not graded("#### 1080", "so #### 1,080").exact
    assert not graded("#### $1,080", "so #### 1,080").exact


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_every_number_is_read_as_it_is_written(value: object) -> None:
    text = f"{value:f}"
    if len(text) <= 100:
        number = answered(f"#### {text}")
        assert number == number_text(Fraction(text))
        assert Fraction(number) == Fraction(text)


@given(st.text())
def test_no_text_breaks_the_rule(text: str) -> None:
    for marked in (text, f"#### {text}", f"the answer is {text}", f"\\boxed{{{text}}}"):
        number = answered(marked)
        assert number is None or number_text(Fraction(number)) == number
        gsm8k.reference(marked)


@pytest.mark.parametrize(
    "bomb",
    [
        *(
            "9",
            "-",
            "$",
            ",",
            "1,",
            "#### ",
            "the answer is ",
            "the" + " " * 50,
            "\\frac{",
            "1/",
            "\0",
            "e",
            ".",
            "1=",
            "<<",
            "1'000",
            "minus ",
        ),
        *("\\boxed{", "{", "}", "\\", "1 ", "1 1/", "\u202e", "<b>", "\\frac{1", "0.\\overline{", "1\u202f"),
    ],
)
def test_a_megabyte_of_anything_is_graded_at_once(bomb: str) -> None:
    text = "#### " + bomb * (1_000_000 // len(bomb))
    begun = time.process_time()
    graded(text, 1)
    graded("the answer is" + text, 1)
    graded("\\boxed{" + text, 1)
    gsm8k.reference(text[5:])
    assert time.process_time() - begun < 6


@pytest.mark.slow
@pytest.mark.skipif(not GSM8K.is_dir(), reason="needs the GSM8K files")
def test_every_reference_of_gsm8k_is_its_own_answer() -> None:
    for split in ("train", "test"):
        lines = (GSM8K / f"{split}.jsonl").read_text(encoding="utf-8").strip().split("\n")
        for line in lines:
            solution = json.loads(line)["answer"]
            reference = gsm8k.reference(solution)
            assert reference is not None
            bare = solution.rpartition("####")[2].strip()
            assert reference == gsm8k.reference(bare)
            assert reference.value == Fraction(bare.replace(",", ""))
            verdict = gsm8k.grade(solution, reference, "stop")
            assert verdict.correct and verdict.exact
