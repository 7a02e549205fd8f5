"""How far a mixture reaches in its parts."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.mixing import reach

PARTS = ("a", "b", "c", "d")
mixtures = st.integers(2, 4).flatmap(
    lambda n: st.tuples(
        st.fixed_dictionaries({part: st.integers(0, 30) for part in PARTS[:n]}),
        st.fixed_dictionaries({part: st.integers(1, 7) for part in PARTS[:n]}),
    )
)


def by_turns(sizes: dict[str, int], weights: dict[str, int]) -> list[str]:
    """Row by row, until it is the turn of a part that has none left."""
    taken = dict.fromkeys(sizes, 0)
    order = []
    while True:
        part = min(sizes, key=lambda part: (Fraction(2 * taken[part] + 1, weights[part]), part))
        if taken[part] == sizes[part]:
            return order
        taken[part] += 1
        order.append(part)


@given(mixtures)
def test_a_mixture_ends_where_the_next_row_is_of_a_part_that_has_none_left(
    mixture: tuple[dict[str, int], dict[str, int]],
) -> None:
    sizes, weights = mixture
    order = by_turns(sizes, weights)
    assert reach(sizes, weights) == {part: order.count(part) for part in sizes}


@given(mixtures)
def test_every_amount_has_the_shares_as_nearly_as_whole_rows_can(
    mixture: tuple[dict[str, int], dict[str, int]],
) -> None:
    order = by_turns(*mixture)
    weights = mixture[1]
    for n in range(len(order) + 1):
        for part, weight in weights.items():
            share = Fraction(weight, sum(weights.values()))
            allowed = Fraction(1, 2) + Fraction(len(weights) - 2, 2) * share
            assert abs(order[:n].count(part) - n * share) <= allowed
