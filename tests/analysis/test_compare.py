import numpy as np
import pandas as pd
import pytest

from analysis.compare import compare, fieller, transfer
from analysis.metric import ACCURACY

AMOUNTS = (128, 256, 512, 1024)


def rows(strategy, slope, seeds=(0, 1, 2), luck=(0.0, 0.0, 0.0), sd=0.0, seed=0, benchmark="in"):
    """Accuracies of one strategy: `slope` a doubling from .2, and what each chain has of its own."""
    generator = np.random.default_rng(seed)
    cells = [
        {"strategy": strategy, "benchmark": benchmark, "amount": amount, "subset_seed": s, "train_seed": s}
        | {"accuracy": 0.2 + slope * i + luck[place] + generator.normal(scale=sd)}
        for place, s in enumerate(seeds)
        for i, amount in enumerate(AMOUNTS)
    ]
    return pd.DataFrame(cells)


def test_differences_at_equal_amounts_and_of_slopes_come_back_in_points():
    found = compare({}, rows("a", 0.10), rows("b", 0.06), ACCURACY)
    assert found.amounts == AMOUNTS
    assert found.average.estimate == pytest.approx(6)  # 4 points a doubling, 1.5 doublings on average
    assert found.at_largest.estimate == pytest.approx(12)
    assert found.per_doubling.estimate == pytest.approx(4)


def test_pairing_removes_what_chains_share():
    luck = (0.0, 0.1, -0.08)
    found = compare(
        {}, rows("a", 0.08, luck=luck, sd=0.004), rows("b", 0.06, luck=luck, sd=0.004, seed=1), ACCURACY
    )
    assert found.average.low < 3 < found.average.high
    assert found.average.width < 5  # unpaired it would be some fifty points


def test_the_average_is_the_t_interval_over_chain_means_where_chains_differ_more_than_runs():
    first, second = rows("a", 0.08, luck=(0.0, 0.05, 0.1), sd=0.003), rows("b", 0.08, sd=0.003, seed=1)
    found = compare({}, first, second, ACCURACY)
    means = 100 * (first["accuracy"] - second["accuracy"]).groupby(first["subset_seed"]).mean()
    margin = 4.302652729911275 * means.std() / np.sqrt(3)
    assert (found.average.low, found.average.high) == pytest.approx(
        (means.mean() - margin, means.mean() + margin)
    )


def test_only_amounts_and_seeds_that_both_have_are_compared():
    second = rows("b", 0.06).query("amount > 128 and subset_seed < 2")
    found = compare({}, rows("a", 0.10), second, ACCURACY)
    assert (found.amounts, found.n_chains) == (AMOUNTS[1:], 2)
    assert found.notes == ("subset luck not included: 2 of the 3 chains it takes",)


def test_strategies_without_a_common_seed_are_not_compared():
    found = compare({}, rows("a", 0.10), rows("b", 0.06, seeds=(7, 8, 9)), ACCURACY)
    assert found.average.estimate is None
    assert found.notes == ("no amount and seed in common: nothing can be paired",)


def test_one_common_amount_has_a_difference_but_no_difference_of_slopes():
    found = compare(
        {}, rows("a", 0.10, sd=0.01), rows("b", 0.06, sd=0.01, seed=1).query("amount == 512"), ACCURACY
    )
    assert found.average.estimate == found.at_largest.estimate
    assert found.average.low is not None
    assert found.per_doubling.estimate is None


def test_the_ratio_of_slopes_comes_back():
    inside, outside = rows("a", 0.10, sd=0.005), rows("a", 0.03, sd=0.005, seed=1, benchmark="out")
    found = transfer({}, inside, outside, ACCURACY)
    assert (found.in_domain, found.out_of_domain) == ("in", "out")
    assert found.ratio.low < 0.3 < found.ratio.high
    assert found.inside.estimate == pytest.approx(10, abs=1)


def test_a_ratio_over_a_slope_that_may_be_zero_is_not_identified():
    inside, outside = rows("a", 0.0, sd=0.02), rows("a", 0.03, sd=0.02, seed=1, benchmark="out")
    found = transfer({}, inside, outside, ACCURACY)
    assert found.ratio.estimate is not None
    assert found.ratio.low is None
    assert "ratio not identified: the slope in domain may be zero" in found.notes


def test_fieller_is_close_to_the_delta_method_where_the_denominator_is_sure():
    low, high = fieller(4.0, 8.0, np.diag([0.01, 0.01]), 2.0)
    margin = 2 * np.sqrt(0.01 / 64 + 16 * 0.01 / 64**2)
    assert (low, high) == pytest.approx((0.5 - margin, 0.5 + margin), rel=5e-3)


def test_fieller_knows_the_covariance():
    # The numerator is half the denominator exactly: so is the ratio.
    low, high = fieller(4.0, 8.0, np.array([[0.01, 0.02], [0.02, 0.04]]), 2.0)
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.5)


def test_fieller_has_no_bounded_interval_where_the_denominator_may_be_zero():
    assert fieller(4.0, 0.3, np.diag([0.01, 0.04]), 2.0) is None
