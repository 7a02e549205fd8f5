import numpy as np
import pytest
from scipy import stats

from analysis.least_squares import Level, solve
from analysis.power import (
    Design,
    Scatter,
    half_width,
    items_needed,
    next_cells,
    power,
    seeds_needed,
    slope_error,
    smallest_difference,
)

# docs/statistics.md: seeds per amount for differences of .25, .5 and 1 point per doubling.
TABULATED = {
    (4, 0.5): (13, 4, 2),
    (4, 0.8): (33, 9, 3),
    (4, 1.2): (73, 19, 5),
    (5, 0.5): (7, 2, 1),
    (5, 0.8): (17, 5, 2),
    (5, 1.2): (37, 10, 3),
    (6, 0.5): (4, 2, 1),
    (6, 0.8): (10, 3, 1),
    (6, 1.2): (21, 6, 2),
    (7, 0.5): (3, 1, 1),
    (7, 0.8): (6, 2, 1),
    (7, 1.2): (14, 4, 1),
}


def doublings(K):
    return tuple(128.0 * 2**k for k in range(K))


@pytest.mark.parametrize(("case", "seeds"), TABULATED.items())
def test_the_seeds_needed_are_those_tabulated(case, seeds):
    K, sd = case
    found = [seeds_needed(difference, doublings(K), Scatter(sd), Level.RUN) for difference in (0.25, 0.5, 1)]
    assert tuple(found) == seeds


def test_power_is_the_share_of_simulated_studies_that_find_the_difference():
    generator, design, scatter = np.random.default_rng(0), Design(doublings(5), 4), Scatter(1.0, slope_sd=0.2)
    x = np.log2(design.amounts)
    x = x - x.mean()
    noise = generator.normal(scale=scatter.run_sd, size=(20_000, 4, 5)) @ x / (x @ x)
    other = generator.normal(scale=scatter.run_sd, size=(20_000, 4, 5)) @ x / (x @ x)
    own = generator.normal(scale=scatter.slope_sd, size=(2, 20_000, 4))
    differences = 1.0 + noise + own[0] - other - own[1]
    p = stats.ttest_1samp(differences, 0, axis=1).pvalue
    assert power(1.0, design, scatter, Level.CHAIN) == pytest.approx((p < 0.05).mean(), abs=0.01)


def test_the_smallest_difference_is_found_with_the_power_wanted():
    design, scatter = Design(doublings(5), 3), Scatter(0.8)
    smallest = smallest_difference(design, scatter)
    assert power(smallest, design, scatter, Level.CHAIN) == pytest.approx(0.8, abs=1e-4)


def test_items_needed_leave_the_power_wanted_and_one_fewer_does_not():
    design = Design(doublings(6), 5)
    scatter = Scatter(seed_sd=0.4, item_variance=2500.0, n_items=300)
    needed = items_needed(0.5, design, scatter)
    with_items = [power(0.5, design, Scatter(0.4, 2500.0, n), Level.CHAIN) for n in (needed - 1, needed)]
    assert with_items[0] < 0.8 <= with_items[1]


def test_no_number_of_items_makes_up_for_too_few_seeds():
    assert items_needed(0.1, Design(doublings(4), 3), Scatter(2.0, 2500.0, 300)) is None


def test_an_impossible_difference_has_no_number_of_seeds():
    assert seeds_needed(0.001, doublings(4), Scatter(5.0), Level.CHAIN) is None


def test_the_expected_interval_is_that_of_simulated_studies():
    generator, design = np.random.default_rng(1), Design(doublings(5), 3)
    x, chains = np.tile(np.log2(design.amounts), 3), np.repeat(np.arange(3), 5)
    errors = [
        solve(np.column_stack([x * 0 + 1, x]), generator.normal(size=15), chains)
        .estimates(np.array([[0.0, 1.0]]))[0]
        .standard_error
        ** 2
        for _ in range(2000)
    ]
    assert np.mean(errors) == pytest.approx(slope_error(design, Scatter(1.0)) ** 2, rel=0.06)
    assert half_width(design, Scatter(1.0)) == pytest.approx(
        4.303 * slope_error(design, Scatter(1.0)), rel=1e-3
    )


def test_one_seed_at_two_amounts_has_no_interval():
    assert half_width(Design((128.0, 256.0), 1), Scatter(1.0)) is None


def test_the_next_cell_narrows_the_slope_by_what_it_says():
    amounts = np.tile(doublings(4), 2)
    best = next_cells(amounts, [*doublings(4), 2048.0], np.ones(5))
    assert best[0].amount == 2048.0  # at equal cost the far end
    design = np.column_stack([np.ones(8), np.log2(amounts)])
    more = np.vstack([design, [1.0, np.log2(2048.0)]])
    before, after = (np.linalg.inv(each.T @ each)[1, 1] for each in (design, more))
    assert best[0].narrowing == pytest.approx(1 - after / before)


def test_cost_moves_the_choice():
    amounts = np.array(doublings(4))
    assert next_cells(amounts, doublings(4), amounts)[0].amount == 128.0
