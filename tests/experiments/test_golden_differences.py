"""Answers to MATH that do not mean the same, by hand, with the reason where two people might differ."""

import pytest

from tests.experiments.judgement import is_same

# Each pair differs whichever of the two is the reference.
DIFFERENT = {
    "numbers": [
        ("5", "-5"),
        ("1000", "100"),
        ("5", "5.01"),
        # An exact value is asked for, or a rounded one: the other is not what was asked.
        ("\\frac43", "1.333"),
        ("\\sqrt2", "1.41421356"),
        ("\\pi", "3.14"),
        ("1e3", "1e4"),
        ("2\\frac12", "1"),
        ("30\\%", "0.03"),
        ("50\\%", "5\\%"),
        ("0.5", "50"),
    ],
    "kinds": [
        # An open interval or a point is no closed interval.
        ("(1,2)", "[1,2]"),
        ("[0,1)", "[0,1]"),
        ("[0,1)", "(0,1]"),
        # The order of a point counts, and that of a list does not: they are not the same thing.
        ("(1,2)", "(2,1)"),
        ("(1,2)", "1,2"),
        ("(1,2)", "\\{1,2\\}"),
        ("(1,2)", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"),
        ("1,2", "1,2,3"),
        ("1,2,2", "1,1,2"),
        ("1,2", "3"),
        ("x=1, y=2", "x=2, y=1"),
        ("(1,2)", "x=2, y=1"),
        ("|x| > 1", "|x| < 1"),
        ("|x| > 1", "x > 1"),
        ("\\{x : x > 3\\}", "[3,\\infty)"),
        ("3", "\\emptyset"),
        ("x > 3", "x \\ge 3"),
        ("x > 3", "x < 3"),
        ("(-\\infty,2)\\cup(3,\\infty)", "(-\\infty,2)\\cup[3,\\infty)"),
        ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}"),
        ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1&2\\end{pmatrix}"),
    ],
    "text": [
        ("\\text{even}", "\\text{odd}"),
        ("\\text{(C)}", "\\text{(D)}"),
        ("\\text{east}", "\\text{seat}"),
        ("east", "seat"),
        ("\\text{even}", "2"),
        ("9\\text{ a.m.}", "9\\text{ p.m.}"),
        ("3:1", "1:3"),
        ("\\text{A,D}", "A"),
        ("ABC", "ACB"),
        ("\\angle ABC", "\\angle ACB"),
        ("\\text{June }20", "\\text{July 20}"),
        ("2\\text{ hours }30\\text{ minutes}", "2\\text{ hours}"),
        ("\\textbf{(B)}\\ 12", "\\text{(C)}"),
        ("\\textbf{(B)}\\ 12", "13"),
        ("1,2,\\ldots", "1,2,3"),
    ],
    "expressions": [
        ("x^2+1", "x^2-1"),
        ("x+1", "y+1"),
        ("\\sqrt{2}", "\\sqrt{3}"),
        ("2\\pi", "2"),
        ("2+3i", "2-3i"),
        ("y=2x", "y=3x"),
        ("y=2x", "x=2y"),
        ("\\infty", "-\\infty"),
        ("\\frac{1}{2x}", "\\frac{x}{2}"),
        ("3^{2007}", "3^{2006}"),
        ("\\sin x", "\\cos x"),
        ("\\sin 30^\\circ", "\\sin 30"),
        ("\\cos 58^\\circ", "7"),
        ("\\sqrt{-1}", "-i"),
        ("AB = 5", "6"),
        ("2 + 3 = 5", "2"),
        ("x + y = 5", "x - y = 5"),
        ("\\sqrt2 \\approx 1.41", "1.4"),
        ("0.1666...", "0.1666"),
        ("x \\ne 2", "2"),
    ],
    "bases": [("11_2", "11_3"), ("2112_6", "2113_6"), ("11_2", "12")],
}


@pytest.mark.parametrize(
    ("one", "other"),
    [pytest.param(*pair, id=f"{shape}: {pair}") for shape, pairs in DIFFERENT.items() for pair in pairs],
)
def test_what_means_something_else_differs_both_ways(one: str, other: str) -> None:
    assert is_same(one, other) is False
    assert is_same(other, one) is False


@pytest.mark.parametrize(
    ("reference", "answer", "verdict"),
    [
        # The reference says which base is asked for, so an answer may leave it out; but three is not 11_2.
        ("11_2", "11", "same"),
        ("11", "11_2", "different"),
        ("3", "11_2", "different"),
        ("11_2", "3", "different"),
    ],
)
def test_a_base_may_be_left_out_but_not_made_up(reference: str, answer: str, verdict: str) -> None:
    assert is_same(reference, answer) is (verdict == "same")


def test_of_an_equation_the_value_may_be_answered_but_not_the_value_alone_where_it_is_asked_for() -> None:
    assert is_same("5", "x + y = 5")
    assert is_same("x + y = 5", "5") is False
