import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.amounts import resolve
from orchestrator.cell import Subset
from orchestrator.refusal import Refused

ALONE = Subset(order="breadth", unit="examples", with_seed=False, axis="augmented")
TOTAL = Subset(order="breadth", unit="examples", with_seed=True, axis="total")


@given(st.integers(1, 10**6), st.integers(1, 64))
def test_a_share_is_that_share_of_the_pool(pool_size: int, denominator: int) -> None:
    amount = resolve(f"1/{denominator}", ALONE, pool_size, 0, "seed")
    assert 1 <= amount <= pool_size
    assert amount == 1 or abs(amount - pool_size / denominator) <= 0.5


@pytest.mark.parametrize(
    ("amount", "count"), [(0, 0), (1, 1), (1.0, 7473), ("1/1", 7473), (0.5, 3736), ("0", 0)]
)
def test_a_whole_number_counts_and_anything_else_is_a_share(amount: int | float | str, count: int) -> None:
    assert resolve(amount, ALONE, 7473, 0, "seed") == count


@pytest.mark.parametrize("amount", [-1, 1.5, -0.5, "3/2", "many", "1/0", True, float("nan")])
def test_what_is_no_amount_is_refused_by_its_value(amount: int | float | str) -> None:
    with pytest.raises(Refused, match=f"amount={amount} "):
        resolve(amount, ALONE, 100, 0, "seed")


def test_an_amount_above_the_pool_is_refused_with_its_size() -> None:
    with pytest.raises(Refused, match="'queries' offers: it has 100 examples"):
        resolve(101, ALONE, 100, 0, "queries")


def test_a_total_amount_counts_the_seed_set_that_rides_along() -> None:
    assert resolve(1400, TOTAL, 8192, 400, "queries") == 1000
    with pytest.raises(Refused, match="has 400 rows"):
        resolve(399, TOTAL, 8192, 400, "queries")
