"""The MATH rule: where an answer stands, how it ended, and that its spelling makes no difference."""

import re
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.grading import math
from experiments.grading.equality import same
from experiments.grading.estimate import apart
from experiments.grading.parts import Leaf, Value
from experiments.grading.values import read
from experiments.grading.verdict import REASONS, Verdict

FIVE = math.Reference("5", Leaf("5", Fraction(5)))


def known(answer: str) -> Value:
    """The value of an answer that has one."""
    value = read(answer)
    assert value is not None
    return value


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so \\boxed{5}", "5"),
        ("\\boxed{1} no, \\boxed{2}", "2"),
        ("\\boxed{\\frac{1}{\\sqrt{2}}}", "\\frac{1}{\\sqrt{2}}"),
        ("\\boxed{\\{1,2\\}}", "\\{1,2\\}"),
        ("\\boxed{\\left\\{1\\right\\}}.", "\\left\\{1\\right\\}"),
        ("\\fbox{5}", "5"),
        ("\\boxed {5}", "5"),
        ("$\\boxed 5$ it is", "5"),
        ("\\boxed{\\boxed{5}}", "5"),
        # Loops that are cut off in the midst of a box have answered before.
        ("\\boxed{5} \\boxed{5} \\boxed{", "5"),
        ("The answer is: $\\frac12$.", "\\frac12"),
        ("The final answer is \\(7\\)", "7"),
        ("The answer is:\n\\[\n\\frac12\n\\]", "\\frac12"),
        ("The answer is 12. I hope it is right.", "12"),
        ("#### 12\nNo, the answer is 14, because 7 + 7 = 14.", "14"),
        ("the answer is 4, so \\boxed{5}", "5"),
        ("x\n#### 12", "12"),
    ],
)
def test_the_answer_is_in_the_last_box_or_behind_a_mark(text: str, answer: str) -> None:
    verdict = math.grade(text, FIVE, "stop")
    assert (verdict.answer if isinstance(verdict, Verdict) else verdict.pair[1]) == answer
    reference = math.reference(text)
    assert reference is not None
    assert reference.written == answer


@pytest.mark.parametrize(
    ("completion", "finish_reason", "reason"),
    [
        ("\\boxed{5}", "stop", "correct"),
        ("\\boxed{5} and so on", "length", "correct"),
        ("\\boxed{6}", "stop", "wrong"),
        ("I do not know", "stop", "no answer"),
        ("", "stop", "no answer"),
        ("so \\boxed{\\frac{1", "length", "truncated"),
        ("I think", "length", "truncated"),
        ("so \\boxed{\\frac{1", "stop", "unparsable"),
        ("\\boxed{}", "stop", "unparsable"),
        ("\\boxed{$$}", "stop", "unparsable"),
        (f"\\boxed{{{'9' * 2_000}}}", "stop", "unparsable"),
        (f"\\boxed{{{'{' * 40}5{'}' * 40}}}", "stop", "unparsable"),
    ],
)
def test_each_completion_has_one_reason(completion: str, finish_reason: str, reason: str) -> None:
    verdict = math.grade(completion, FIVE, finish_reason)
    assert isinstance(verdict, Verdict)
    assert verdict.reason == reason


@pytest.mark.parametrize(
    "bare",
    [
        "\\frac{1}{2}",
        "$\\frac12$",
        "\\text{Evelyn}",
        "(1,2]",
        "x^2+1",
        "\\begin{pmatrix}1\\\\2\\end{pmatrix}",
        "\\begin{pmatrix}\n1\\\\\n2\n\\end{pmatrix}",
    ],
)
def test_bare_latex_is_a_reference(bare: str) -> None:
    reference = math.reference(bare)
    assert reference is not None
    assert reference.written == bare
    verdict = math.grade(f"so \\boxed{{{bare}}}", reference, "stop")
    assert isinstance(verdict, Verdict)
    assert verdict.correct


@pytest.mark.parametrize("text", ["", "  ", "$$", "two\nlines", "x" * 2_000])
def test_what_is_no_answer_is_no_reference(text: str) -> None:
    assert math.reference(text) is None


def test_the_baseline_wants_the_reference_to_the_letter() -> None:
    half = math.reference("\\boxed{\\frac{1}{2}}")
    assert half is not None
    to_the_letter = math.grade("\\boxed{\\frac{1}{2}}", half, "stop")
    another_way = math.grade("\\boxed{\\dfrac12}", half, "stop")
    assert isinstance(to_the_letter, Verdict) and isinstance(another_way, Verdict)
    assert (to_the_letter.correct, to_the_letter.exact) == (True, True)
    assert (another_way.correct, another_way.exact) == (True, False)


NUMBER = st.one_of(
    st.integers(-10_000, 10_000).map(str),
    st.decimals(-1000, 1000, places=3).map(lambda value: f"{value:f}"),
    st.tuples(st.integers(-99, 99), st.integers(1, 99)).map(lambda pair: f"\\frac{{{pair[0]}}}{{{pair[1]}}}"),
)
TERM = st.one_of(
    NUMBER, st.sampled_from(["\\sqrt{2}", "\\pi", "x", "2x^2", "\\frac{\\pi}{3}", "\\frac{x}{2}"])
)
ANSWER = st.one_of(
    TERM,
    st.lists(TERM, min_size=2, max_size=4).map(", ".join),
    st.lists(TERM, min_size=2, max_size=3).map(lambda parts: f"\\left({', '.join(parts)}\\right]"),
    st.lists(TERM, min_size=1, max_size=3).map(lambda parts: f"\\{{ {', '.join(parts)} \\}}"),
    st.tuples(TERM, TERM).map(lambda pair: f"\\begin{{pmatrix}} {pair[0]} & {pair[1]} \\end{{pmatrix}}"),
    st.sampled_from(["\\text{Evelyn}", "\\text{(C)}", "2112_{6}", "45^{\\circ}", "30\\%", "\\$15,\\!000"]),
)
SPELLINGS: list[Callable[[str], str]] = [
    lambda answer: answer,
    lambda answer: f"  {answer} \n",
    lambda answer: f"${answer}$",
    lambda answer: f"\\( {answer} \\)",
    lambda answer: answer.replace("\\frac", "\\dfrac"),
    lambda answer: answer.replace("\\frac", "\\tfrac"),
    lambda answer: answer.replace(",", " ,\\; "),
    lambda answer: answer.replace(" ", "\\ "),
    lambda answer: answer.replace("\\left", "").replace("\\right", ""),
    lambda answer: re.sub(r"\^(\d)", r"^{\1}", answer),
    lambda answer: re.sub(r"(?<![\d.{])(\d+\.\d+)(?![\d}])", r"\g<1>00", answer),
    lambda answer: f"\\displaystyle {answer}.",
    lambda answer: answer.replace("pmatrix", "bmatrix"),
    lambda answer: answer.replace("x", "\u200bx\u200e"),
]


@given(ANSWER, st.sampled_from(SPELLINGS))
def test_an_answer_is_itself_however_it_is_spelt(answer: str, spelling: Callable[[str], str]) -> None:
    # Thousands are no list, whose commas may have blanks around them.
    if "15,\\!000" not in answer:
        assert same(known(answer), known(spelling(answer)), apart)


@given(NUMBER, NUMBER)
def test_numbers_are_the_same_where_their_values_are(one: str, other: str) -> None:
    values = [Fraction(re.sub(r"\\frac\{(-?\d+)\}\{(\d+)\}", r"\1/\2", number)) for number in (one, other)]
    assert same(known(one), known(other), apart) is (values[0] == values[1])


@given(
    st.text(alphabet="\\{}()[]^_,.0123456789abcxyz +-*/=<>%$&|!'\"\n\0\u202efracsqttextboxed", max_size=80)
)
def test_no_text_breaks_the_rule(text: str) -> None:
    for marked in (text, f"\\boxed{{{text}}}", f"the answer is {text}"):
        verdict = math.grade(marked, FIVE, "stop")
        assert isinstance(verdict, math.Undecided) or verdict.reason in REASONS
        math.reference(marked)
