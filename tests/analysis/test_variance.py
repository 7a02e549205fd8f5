import numpy as np
import pandas as pd
import pytest

from analysis.variance import variance_table


def crossed(subset_sd, train_sd, subsets=6, trains=4, curves=3, amounts=6, seed=0):
    """Runs over subset seeds x training seeds, with luck of both that is new at each amount."""
    generator = np.random.default_rng(seed)
    rows = []
    for curve in range(curves):
        for k in range(amounts):
            luck = generator.normal(scale=subset_sd, size=subsets)
            for subset in range(subsets):
                for train in range(trains):
                    value = 30 + 5 * k + luck[subset] + generator.normal(scale=train_sd)
                    rows.append((curve, 128 * 2**k, subset, train, value))
    return pd.DataFrame(rows, columns=["curve", "amount", "subset", "train", "value"])


def together(level=0.0, slope=0.0, run=1.0, chains=40, seed=0):
    """One seed moves subset and training; chains have intercepts and slopes of their own."""
    generator = np.random.default_rng(seed)
    own = generator.normal(size=(chains, 2)) * (level, slope)
    rows = [
        ("a", 128 * 2**k, chain, chain, own[chain] @ (1, k - 2) + generator.normal(scale=run))
        for chain in range(chains)
        for k in range(5)
    ]
    return pd.DataFrame(rows, columns=["curve", "amount", "subset", "train", "value"])


def parts(found):
    return {one.name: one for one in found.components}


def test_crossed_seeds_part_subset_luck_from_training_luck():
    found = variance_table(crossed(subset_sd=2.0, train_sd=1.0))
    assert parts(found)["subset seed"].sd == pytest.approx(2, abs=0.3)
    assert parts(found)["training seed"].sd == pytest.approx(1, abs=0.1)
    assert found.run_sd == pytest.approx(np.sqrt(5), abs=0.3)


def test_shares_add_up_to_one():
    found = variance_table(crossed(2.0, 1.0))
    assert sum(one.share for one in found.components) == pytest.approx(1)


def test_seeds_that_move_together_are_one_component():
    found = variance_table(together())
    assert list(parts(found)) == ["seeds (subset and training together)"]
    assert found.run_sd == pytest.approx(1, abs=0.1)


def test_one_subset_for_all_is_training_luck_alone():
    found = variance_table(crossed(0.0, 1.0, subsets=1))
    assert list(parts(found)) == ["training seed"]


def test_the_chains_own_levels_and_slopes_come_back():
    found = variance_table(together(level=2.0, slope=0.7))
    assert found.slope_sd == pytest.approx(0.7, abs=0.15)
    assert found.intraclass == pytest.approx(0.8, abs=0.08)
    none = variance_table(together())
    assert none.slope_sd < 0.25
    assert none.intraclass < 0.1


def test_luck_with_items_is_the_variance_of_an_item_between_runs_over_their_number():
    generator, n_items, runs = np.random.default_rng(1), 400, together(chains=30)
    chances = generator.beta(2, 2, size=n_items)
    answers = [100.0 * (generator.random(n_items) < chances) for _ in range(len(runs))]
    runs["value"] = [each.mean() for each in answers]
    found = variance_table(runs, answers)
    expected = 1e4 * (chances * (1 - chances)).mean()
    assert found.item_variance == pytest.approx(expected, rel=0.1)
    assert parts(found)["items"].share > 0.8  # nothing but luck with items was planted
    assert found.scatter.run_sd == pytest.approx(found.run_sd)


def test_strategies_that_share_luck_are_correlated():
    runs = crossed(2.0, 1.0, curves=1)
    twin = runs.assign(curve="b", value=runs["value"] + np.random.default_rng(5).normal(size=len(runs)))
    found = variance_table(pd.concat([runs, twin]))
    assert 0.8 < found.correlation < 0.95  # variance 5 of 6


def test_single_runs_have_no_variance_table():
    assert variance_table(together(chains=1)) is None
