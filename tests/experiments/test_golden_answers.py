"""Golden answers to MATH by hand, in both directions, with the reason where two people might differ."""

import pytest

from experiments.grading.equality import same
from experiments.grading.judge import equal
from experiments.grading.values import read


def is_same(reference: str, answer: str) -> bool | None:
    """The whole judgement, in this process."""
    expected, given = read(reference), read(answer)
    assert expected is not None
    assert given is not None
    return same(expected, given, equal)


# Each pair is equal whichever of the two is the reference.
EQUAL = {
    "numbers": [
        ("5", "5.0"),
        ("0.5", ".5"),
        ("-\\frac{1}{2}", "\\frac{-1}{2}"),
        ("1,000", "1000"),
        ("15,\\!000", "15{,}000"),
        ("111, \\! 111, \\! 111", "111111111"),
        ("+7", "7"),
        ("\u22127", "-7"),
        ("5.", "5"),
        # Scientific notation is a way of writing, whatever e may mean elsewhere.
        ("1e3", "1000"),
        ("1.5 \\times 10^{3}", "1500"),
        ("2.5\\cdot 10^{-3}", "0.0025"),
        ("1.5 \u00d7 10^3", "1500"),
    ],
    "fractions": [
        ("\\frac{3}{4}", "\\dfrac{3}{4}"),
        ("\\frac34", "3/4"),
        ("\\tfrac{3}{4}", "0.75"),
        ("\\frac{6}{8}", "\\frac{3}{4}"),
        ("\\frac{12}{5,\\!525}", "\\frac{12}{5525}"),
        ("\\frac1{2x}", "\\frac{1}{2x}"),
        ("\\frac\\pi4", "\\frac{\\pi}{4}"),
        ("0.\\overline{3}", "\\frac13"),
        ("1.1\\overline{6}", "\\frac{7}{6}"),
    ],
    "mixed numbers": [
        ("2\\frac{1}{2}", "\\frac{5}{2}"),
        ("2 \\frac12", "2.5"),
        ("2 1/2", "5/2"),
        ("-2\\frac{1}{2}", "-\\frac52"),
    ],
    "percent": [
        # What a question asks for in per cent may be written with the sign or without.
        ("30\\%", "30"),
        ("7.2\\%", "7.2"),
        ("30 \\text{ percent}", "30\\%"),
        # And a share is a share: 50 % is one half.
        ("50\\%", "0.5"),
        ("50\\%", "\\frac12"),
    ],
    "units": [
        ("90^\\circ", "90"),
        ("90^{\\circ}", "90\u00b0"),
        ("69\\text{ degrees}", "69"),
        ("\\$18.90", "18.9"),
        ("-\\$0.50", "-0.5"),
        ("5\\text{ cm}", "5"),
        ("440\\text{ cm}^2", "440"),
        ("15\\mbox{ cm}^2", "15 \\mathrm{cm}^{2}"),
        ("5 cm", "5"),
        ("12 square inches", "12"),
        ("8\\sqrt{3} \\text { square inches}", "8\\sqrt3"),
        ("\\frac{270}7\\text{ degrees}", "\\frac{270}{7}"),
        ("10\\;\\text{edges}", "10"),
    ],
    "text": [
        ("\\text{Evelyn}", "Evelyn"),
        ("\\text{even}", "\\text{Even}"),
        ("\\text{(C)}", "C"),
        ("(\\text{E})", "\\text{E}"),
        ("\\mbox{Saturday}", "\\text{saturday}"),
        ("\\text{4:30 p.m.}", "\\text{4:30 PM}"),
        ("\\text{June 20}", "June 20"),
        ("3:1", "3 : 1"),
    ],
    "expressions": [
        ("x^2+2x+1", "(x+1)^2"),
        ("x^{2}", "x^2"),
        ("ab", "ba"),
        ("\\sqrt{12}", "2\\sqrt{3}"),
        ("\\frac{1}{\\sqrt2}", "\\frac{\\sqrt{2}}{2}"),
        ("2+3i", "3i + 2"),
        ("\\frac{1}{i}", "-i"),
        ("\\frac{7}{5} + \\frac{1}{5} i.", "\\frac{7+i}{5}"),
        ("\\frac{\\pi}{2}", "0.5\\pi"),
        ("2^{10}", "1024"),
        ("5!", "120"),
        ("\\binom{5}{2}", "10"),
        ("\\log_2 8", "3"),
        ("\\sqrt{6.25}", "2.5"),
        ("3^{2007}", "3 \\cdot 3^{2006}"),
    ],
    "names": [
        ("x=5", "5"),
        ("y = 2x+3", "2x + 3"),
        ("f(x) = x^2", "x^2"),
        ("x = 5", "n = 5"),
        ("y=2x+3", "2x - y + 3 = 0"),
        ("(x,y) = (1,2)", "(1,2)"),
    ],
    "intervals": [
        ("[0,1)", "[0, 1)"),
        ("\\left(-\\infty,\\frac12\\right]", "(-\\infty, 0.5]"),
        ("x \\in [-2,7]", "[-2,7]"),
        ("-2 \\le x \\leq 7", "[-2,7]"),
        ("x > 3", "(3,\\infty)"),
        ("3 < x", "(3, +\\infty)"),
        ("x < y", "y > x"),
        ("1 \\ge y > -1", "(-1,1]"),
        ("(-\\infty,-8)\\cup (8,\\infty)", "(8,\\infty) \\cup (-\\infty,-8)"),
        ("x < -8 \\text{ or } x > 8", "(-\\infty,-8) \\cup (8,\\infty)"),
        ("\\mathbb{R}", "(-\\infty,\\infty)"),
    ],
    "sets and multiple answers": [
        ("1,2", "2, 1"),
        ("1,2", "\\{1,2\\}"),
        ("19 \\text{ and }43", "43, 19"),
        ("7, -2, \\text{ and } -5", "-5, -2, 7"),
        ("x=1 \\text{ or } x=2", "2, 1"),
        ("1\\pm\\sqrt{5}", "1+\\sqrt5, 1-\\sqrt5"),
        ("\\pm 2", "-2, 2"),
        ("\\{3\\}", "3"),
        ("\\text{A,D}", "D, A"),
        ("\\text{B, E, G}", "\\text{G,B,E}"),
        ("\\{-1\\} \\cup [0,7)", "[0,7) \\cup \\{-1\\}"),
        ("\\frac12, 0.25", "\\frac14, \\frac{2}{4}"),
        ("\\sqrt{8}, 1", "1, 2\\sqrt2"),
        ("\\emptyset", "\\varnothing"),
        ("(1,2),(3,4)", "\\{(3,4), (1,2)\\}"),
    ],
    "points and matrices": [
        ("(1,2)", "\\left( 1, \\frac{4}{2} \\right)"),
        ("(3, \\frac{\\pi}{2})", "(3, 0.5\\pi)"),
        ("\\langle 1,2 \\rangle", "(1,2)"),
        (
            "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}",
            "\\begin{bmatrix}1&2\\\\3&\\frac{8}{2}\\end{bmatrix}",
        ),
        (
            "\\begin{pmatrix} 1/5 \\\\ \\sqrt{8} \\end{pmatrix}",
            "\\begin{pmatrix}0.2\\\\2\\sqrt2\\end{pmatrix}",
        ),
    ],
    "delimiters": [
        ("$\\frac12$", "\\frac{1}{2}"),
        ("\\( 5 \\)", "5"),
        ("\\[ x+1 \\]", "1+x"),
        ("$$7$$", "7"),
        ("**7**", "7"),
        ("`7`", "7"),
        ("\\displaystyle\\frac{1}{2}", "0.5"),
        ("\\left(2\\right)", "2"),
    ],
    "bases": [("2112_6", "2112_{6}"), ("0.0011_{2}", ".0011_2"), ("11_{10}", "11")],
}

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
    ],
    "bases": [("11_2", "11_3"), ("2112_6", "2113_6"), ("11_2", "12")],
}


@pytest.mark.parametrize(
    ("one", "other"),
    [pytest.param(*pair, id=f"{shape}: {pair}") for shape, pairs in EQUAL.items() for pair in pairs],
)
def test_what_means_the_same_is_the_same_both_ways(one: str, other: str) -> None:
    assert is_same(one, other)
    assert is_same(other, one)


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
