"""Several samples of one item: what was worked out by hand, and what the estimator is the mean of."""

from itertools import combinations
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.grading.samples import pass_at, together
from experiments.grading.verdict import Verdict

RIGHT = Verdict("4", "correct")
ALSO_RIGHT = Verdict("\\frac{8}{2}", "correct")
WRONG = Verdict("5", "wrong")
OTHER = Verdict("6", "wrong")
NONE = Verdict(None, "no answer")


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.integers(1, 7))
def test_pass_at_k_is_the_mean_over_all_ways_to_draw_k(rights: list[bool], k: int) -> None:
    k = min(k, len(rights))
    samples = [RIGHT if right else WRONG for right in rights]
    assert pass_at(k, samples) == pytest.approx(fmean(any(drawn) for drawn in combinations(rights, k)))


def test_counts_by_hand() -> None:
    found = together(
        [
            [RIGHT, ALSO_RIGHT, WRONG, WRONG, NONE],  # two against two: the lot decides
            [RIGHT, WRONG, WRONG, OTHER, NONE],
            [NONE, NONE, NONE, NONE, RIGHT],  # who says nothing has no vote
            [NONE, NONE, NONE, NONE, NONE],
        ]
    )
    assert found.maj_at == {5: pytest.approx((0.5 + 0 + 1 + 0) / 4)}
    assert found.consistency == pytest.approx((2 + 2 + 1 + 0) / 20)
    assert list(found.pass_at) == [1, 2, 4, 5]
    assert found.pass_at[1] == pytest.approx((2 + 1 + 1 + 0) / 20)
    assert found.pass_at[5] == pytest.approx(3 / 4)


def test_wrong_answers_that_are_spelt_otherwise_vote_together() -> None:
    wrong = [Verdict(answer, "wrong") for answer in ("\\frac12", "\\dfrac{1}{2}", "0.5")]
    several = [Verdict(answer, "wrong") for answer in ("1, x", "x, 1", "\\{1,x\\}")]
    for together_wrong in (wrong, several):
        [majority] = together([[RIGHT, RIGHT, *together_wrong]]).maj_at.values()
        assert majority == 0.0


def test_one_sample_has_no_consistency() -> None:
    found = together([[RIGHT], [WRONG], [WRONG]])
    assert (found.pass_at, found.maj_at, found.consistency) == ({1: 1 / 3}, {1: 1 / 3}, None)
