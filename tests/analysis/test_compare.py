import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from analysis.compare import adjusted, compare, holm, transfer
from analysis.equivalence import data_equivalence, worth
from analysis.pairs import fieller

AMOUNTS = (128, 256, 512, 1024)


def rows(slope, seeds=(0, 1, 2), luck=(0.0, 0.0, 0.0), sd=0.0, seed=0, base=20.0, amounts=AMOUNTS):
    """Values of one strategy: `slope` a doubling from `base`, and what each chain has of its own."""
    generator = np.random.default_rng(seed)
    cells = [
        {"amount": amount, "chain": f"seed {s}"}
        | {"value": base + slope * np.log2(amount / 128) + luck[place] + generator.normal(scale=sd)}
        for place, s in enumerate(seeds)
        for amount in amounts
    ]
    return pd.DataFrame(cells)


def compared(first, second):
    return compare({}, ("a", "b"), first, second)


def transferred(inside, outside):
    return transfer({}, ("in", "out"), inside, outside)


def test_differences_at_equal_amounts_and_of_slopes_come_back_in_points():
    found = compared(rows(10), rows(6))
    assert found.amounts == AMOUNTS
    assert found.average.estimate == pytest.approx(6)  # 4 points a doubling, 1.5 doublings on average
    assert found.at_largest.estimate == pytest.approx(12)
    assert found.per_doubling.estimate == pytest.approx(4)


def test_pairing_removes_what_chains_share():
    luck = (0.0, 10, -8)
    found = compared(rows(8, luck=luck, sd=0.4), rows(6, luck=luck, sd=0.4, seed=1))
    assert found.average.low < 3 < found.average.high
    assert found.average.width < 5  # unpaired it would be some fifty points


def test_the_average_is_the_t_interval_over_chain_means_where_chains_differ_more_than_runs():
    first, second = rows(8, luck=(0.0, 5, 10), sd=0.3), rows(8, sd=0.3, seed=1)
    found = compared(first, second)
    means = (first["value"] - second["value"]).groupby(first["chain"]).mean()
    margin = 4.302652729911275 * means.std() / np.sqrt(3)
    assert (found.average.low, found.average.high) == pytest.approx(
        (means.mean() - margin, means.mean() + margin)
    )


def test_only_amounts_and_seeds_that_both_have_are_compared():
    second = rows(6).query("amount > 128 and chain < 'seed 2'")
    found = compared(rows(10), second)
    assert (found.amounts, found.n_chains) == (AMOUNTS[1:], 2)
    assert found.notes == ("subset luck not included: 2 of the 3 chains it takes",)


def test_strategies_without_a_common_seed_are_compared_as_independent_runs():
    found = compared(rows(10, sd=1), rows(6, sd=1, seed=1, seeds=(7, 8, 9)))
    assert found.amounts == AMOUNTS
    assert found.average.low < 6 < found.average.high
    assert found.per_doubling.low < 4 < found.per_doubling.high
    assert found.notes == ("no amount and seed in common: compared as independent runs",)


def test_unknown_seeds_are_compared_as_independent_runs_too():
    one, other = (rows(slope, sd=1, seed=slope).assign(chain=None) for slope in (10, 6))
    found = compared(one, other)
    x = np.log2(one["amount"])
    design = np.column_stack([x * 0 + 1, x, np.zeros_like(x), np.zeros_like(x)])
    theirs = sm.OLS(
        np.concatenate([one["value"], other["value"]]), np.vstack([design, design[:, [2, 3, 0, 1]]])
    ).fit()
    ours = found.per_doubling
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.t_test([0, 1, 0, -1]).conf_int()[0]))


def test_holm_multiplies_the_least_by_all_and_never_falls():
    assert holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])


def test_comparisons_of_one_benchmark_are_adjusted_together():
    pairs = [
        compare({"benchmark": name}, ("a", "b"), rows(10, sd=1), rows(8, sd=1, seed=seed))
        for name, seed in [("in", 1), ("in", 2), ("out", 3)]
    ]
    found = adjusted(pairs)
    smaller = min(pair.average.p for pair in pairs[:2])
    assert min(one.p_average for one in found[:2]) == pytest.approx(2 * smaller)
    assert found[2].p_average == pairs[2].average.p


def test_one_common_amount_has_a_difference_but_no_difference_of_slopes():
    found = compared(rows(10, sd=1), rows(6, sd=1, seed=1).query("amount == 512"))
    assert found.average.estimate == found.at_largest.estimate
    assert found.average.low is not None
    assert found.per_doubling.estimate is None


def test_the_ratio_of_slopes_comes_back():
    inside, outside = rows(10, sd=0.5), rows(3, sd=0.5, seed=1)
    found = transferred(inside, outside)
    assert (found.in_domain, found.out_of_domain) == ("in", "out")
    assert found.ratio.low < 0.3 < found.ratio.high
    assert found.inside.estimate == pytest.approx(10, abs=1)


def test_a_ratio_over_a_slope_that_may_be_zero_is_not_identified():
    inside, outside = rows(0, sd=2), rows(3, sd=2, seed=1)
    found = transferred(inside, outside)
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


def test_the_data_equivalence_of_parallel_curves_is_the_planted_factor():
    # 3 points ahead at 5 points a doubling: worth 2^0.6 as many.
    found = data_equivalence({}, ("a", "b"), rows(5, sd=0.3, base=23), rows(5, sd=0.3, seed=1))
    assert found.parallel
    assert found.overall.low < 2**0.6 < found.overall.high
    assert found.overall.estimate == pytest.approx(2**0.6, rel=0.1)
    assert worth(found).startswith("one a example is worth 1.")
    assert worth(found).endswith(" b examples")


def test_where_slopes_differ_the_ratio_is_given_at_amounts_inside_the_overlap():
    found = data_equivalence({}, ("a", "b"), rows(8, sd=0.2, base=22), rows(4, sd=0.2, seed=1))
    assert not found.parallel
    assert [one.amount for one in found.at] == [128, 256]  # b has reached 32, a lies above it from 512 on
    for one, doublings in zip(found.at, (0.5, 1.5), strict=True):
        assert one.ratio.low < 2**doublings < one.ratio.high
    assert "slopes differ: the ratio changes with the amount" in found.notes


def test_curves_that_share_no_value_say_so():
    found = data_equivalence({}, ("a", "b"), rows(5, sd=0.3, base=60), rows(5, sd=0.3, seed=1))
    assert found.at == ()
    assert "no value is reached by both: the ratio rests on extrapolated lines" in found.notes


def test_an_equivalence_over_a_slope_that_may_be_zero_is_not_identified():
    found = data_equivalence({}, ("a", "b"), rows(0, sd=2, base=23), rows(0, sd=2, seed=1))
    assert found.overall.low is None
    assert worth(found) == "what one a example is worth in b examples is not identified"


def test_the_equivalence_is_the_same_for_curves_without_seeds_in_common():
    found = data_equivalence(
        {}, ("a", "b"), rows(5, base=23, sd=0.2), rows(5, seeds=(7, 8, 9), sd=0.2, seed=1)
    )
    assert found.overall.low < 2**0.6 < found.overall.high
    assert "no amount and seed in common: compared as independent runs" in found.notes
