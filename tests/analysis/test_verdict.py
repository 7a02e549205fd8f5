import time

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.departures import departures
from analysis.fitting import Runs
from analysis.geometry import geometry
from analysis.metric import ACCURACY, NLL
from analysis.verdict import Word, verdict, verdict_json


def planted(mean, K=7, m=3, sd=0.8, seed=0, level=0.0, tilt=0.0):
    """`m` chains over `K` doublings of 256; chains have intercepts and slopes of their own."""
    generator = np.random.default_rng(seed)
    x, chain = np.tile(np.arange(float(K)), m), np.repeat(np.arange(m), K)
    values = mean(x) + generator.normal(scale=sd, size=K * m)
    values += generator.normal(scale=level, size=m)[chain]
    values += generator.normal(scale=tilt, size=m)[chain] * (x - x.mean())
    return Runs(256 * 2**x, values, chain, [""] * len(x))


def unchained(runs):
    return Runs(runs.amounts, runs.values, None, runs.labels)


def line(x):
    return 30 + 5 * x


def broken(x):
    return 30 + 6 * x - 4 * np.maximum(x - 3, 0)


def saturating(x):
    return 80 - 50 * 2 ** (-0.6 * x)


def peaked(x):
    return 50 - 2 * (x - 3) ** 2


@pytest.mark.parametrize(
    ("mean", "word"),
    [
        (line, Word.LOG_LINEAR),
        (broken, Word.SEGMENTED),
        (lambda x: 30 + 0.5 * x + 3 * np.maximum(x - 3, 0), Word.SEGMENTED),
        (saturating, Word.SATURATING),
        (peaked, Word.NOT_LOG_LINEAR),
        (lambda x: 20 + 60 / (1 + np.exp(-1.5 * (x - 3))), Word.NOT_LOG_LINEAR),
    ],
)
def test_each_shape_gets_its_word_whatever_luck_chains_have(mean, word):
    words = [verdict(planted(mean, sd=0.4, seed=s, level=3, tilt=1), ACCURACY).word for s in range(20)]
    assert words.count(word) >= 18


def test_a_falling_loss_that_levels_off_is_saturating_too():
    losses = planted(lambda x: 1.2 + 2 * 2 ** (-0.5 * x), sd=0.005)
    assert verdict(losses, NLL).word is Word.SATURATING


def test_the_break_is_found_where_it_was_planted():
    found = verdict(planted(broken, sd=0.3), ACCURACY)
    assert found.tests.change.amount == pytest.approx(2048, rel=0.15)
    assert found.tests.change.low < 2048 < found.tests.change.high
    assert found.tests.broken.first_slope == pytest.approx(6, abs=0.5)
    assert found.tests.broken.last_slope == pytest.approx(2, abs=0.5)
    assert any("a break at 2," in reason for reason in found.reasons)


def test_the_margin_decides_what_counts_as_a_line():
    runs = planted(line, sd=0.8)
    words = [verdict(runs, ACCURACY, margin).word for margin in (0.05, 5.0)]
    assert words == [Word.CANNOT_TELL, Word.LOG_LINEAR]


def test_cannot_tell_says_which_seeds_and_amounts_would_tell():
    found = verdict(planted(line, sd=1.0, seed=2), ACCURACY)
    assert found.word is Word.CANNOT_TELL
    assert [text.split(":")[0] for text in found.would_tell] == [
        "9 seeds at these amounts",
        "6 seeds at these amounts and those halfway between",
    ]


def test_the_seeds_that_would_tell_do():
    told = [verdict(planted(line, m=9, sd=1.0, seed=s), ACCURACY).word for s in range(200)]
    assert 0.7 <= told.count(Word.LOG_LINEAR) / 200 <= 0.9  # a power of 80 %, less 5 % false departures


def test_single_runs_cannot_be_called_log_linear():
    found = verdict(planted(line, m=1, sd=0.1), ACCURACY)
    assert found.word is Word.CANNOT_TELL
    assert "a second and a third seed at each amount" in found.would_tell


def test_two_amounts_always_lie_on_a_line():
    found = verdict(planted(line, K=2), ACCURACY)
    assert (found.word, found.tests.p) == (Word.CANNOT_TELL, None)
    assert found.reasons == ("2 distinct amounts: any two lie on a line",)
    assert found.would_tell == ("at least two more amounts, with the seeds there are",)


def test_one_amount_cannot_tell():
    found = verdict(planted(line, K=1), ACCURACY)
    assert found.word is Word.CANNOT_TELL
    assert found.reasons == ("1 distinct amount: one is no curve",)


def test_four_amounts_show_a_departure_but_not_which():
    found = verdict(planted(saturating, K=4, sd=0.3), ACCURACY)
    assert found.word is Word.NOT_LOG_LINEAR
    assert "four amounts cannot tell a break from a smooth bend: a fifth could" in found.reasons


def test_runs_without_scatter_are_judged_by_their_means():
    assert verdict(planted(line, sd=0), ACCURACY).word is Word.LOG_LINEAR
    off_the_grid = planted(lambda x: 30 + 6 * x - 4 * np.maximum(x - 2.71, 0), sd=0)
    found = verdict(off_the_grid, ACCURACY)
    assert found.word is Word.SEGMENTED
    assert np.log2(found.tests.change.amount / 256) == pytest.approx(2.71, abs=0.01)


def test_replicates_without_scatter_get_the_verdict_of_single_runs():
    amounts = 100.0 * 2 ** np.arange(7)
    losses = 1.2 + 30 * amounts**-0.4
    tripled = Runs(np.tile(amounts, 3), np.tile(losses, 3), np.repeat(np.arange(3), 7), [""] * 21)
    single, found = (verdict(runs, NLL) for runs in (Runs(amounts, losses, None, [""] * 7), tripled))
    assert found.word is single.word is Word.SATURATING
    assert found.tests.p == pytest.approx(single.tests.p)


@pytest.mark.parametrize("value", [0.0, 50.0, 30.1, 100 / 3])
def test_equal_values_lie_on_a_line(value):
    runs = planted(lambda x: np.full_like(x, value), m=1, sd=0)
    assert verdict(runs, ACCURACY).word is Word.LOG_LINEAR


def scattered(mean, n, seed=0):
    """`n` single runs at as many amounts, none twice, over seven doublings."""
    generator = np.random.default_rng(seed)
    x = np.sort(generator.uniform(0, 7, size=n))
    return Runs(256 * 2**x, mean(x) + generator.normal(scale=0.8, size=n), None, [""] * n)


@pytest.mark.parametrize(
    ("mean", "word"),
    [(line, Word.LOG_LINEAR), (broken, Word.SEGMENTED), (saturating, Word.SATURATING)],
)
def test_thousands_of_amounts_get_their_word_in_seconds(mean, word):
    runs = scattered(mean, 10_000)
    before = time.process_time()
    found = verdict(runs, ACCURACY)
    assert time.process_time() - before < 5  # 0.2 s on an idle core
    assert found.word is word
    assert found.reasons[0] == "10,000 amounts: their curve is seen as straight between 16 of them"


def test_at_most_7_percent_of_true_lines_through_many_amounts_seem_to_depart():
    amounts = scattered(line, 40).amounts
    values = np.random.default_rng(1).normal(size=(1000, 40)) + line(np.log2(amounts))
    found = [departures(Runs(amounts, row, None, [""] * 40)) for row in values]
    assert 0.03 < np.mean([one.p < 0.05 for one in found]) < 0.07
    assert 0.03 < np.mean([one.change.p < 0.05 for one in found]) < 0.07


def test_machines_read_numbers_or_null():
    told = verdict_json(verdict(planted(broken), ACCURACY))
    assert told["word"] == "segmented"
    assert told["break"]["low"] < told["break"]["amount"] < told["break"]["high"]
    assert verdict_json(verdict(planted(line, K=2), ACCURACY))["break"] is None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-20, 20)), min_size=3, max_size=3))
def test_no_luck_of_chains_changes_any_test(luck):
    runs = planted(line)
    level, tilt = np.array(luck).T
    x = np.log2(runs.amounts)
    lucky = Runs(runs.amounts, runs.values + level[runs.chains] + tilt[runs.chains] * x, runs.chains, [])
    one, other = departures(runs), departures(lucky)
    numbers = [(each.change.F, each.lack_of_fit.F, each.bend.estimate) for each in (one, other)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-6, abs=1e-6)


def test_lack_of_fit_is_the_f_test_beside_the_lines_of_the_chains():
    runs = planted(broken, sd=2.0)
    x, member = np.log2(runs.amounts), (runs.chains[:, None] == np.arange(3)).astype(float)
    lines = np.hstack([member, member * x[:, None]])
    with_means = np.hstack([lines, (x[:, None] == np.unique(x)[1:-1]).astype(float)])
    F, p, df = sm.OLS(runs.values, with_means).fit().compare_f_test(sm.OLS(runs.values, lines).fit())
    found = departures(runs).lack_of_fit
    assert (found.F, found.p) == (pytest.approx(F), pytest.approx(p))
    assert (found.df_between, found.df_within) == (df, 10)


def test_the_bend_is_the_coefficient_of_a_parabola():
    runs = unchained(planted(peaked, sd=2.0))
    x = np.log2(runs.amounts)
    theirs = sm.OLS(runs.values, np.column_stack([np.ones_like(x), x, x**2])).fit()
    found, scale = departures(runs).bend, -(np.ptp(x) ** 2) / 4
    assert found.estimate == pytest.approx(theirs.params[2] * scale)
    low, high = sorted(theirs.conf_int(alpha=0.1)[2] * scale)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_the_largest_f_is_that_of_least_squares_at_every_place():
    runs = unchained(planted(broken, K=5, sd=2.0))
    x = np.log2(runs.amounts)
    straight = sm.OLS(runs.values, sm.add_constant(x)).fit()
    sums = [
        sm.OLS(runs.values, np.column_stack([np.ones_like(x), x, np.maximum(x - place, 0)])).fit().ssr
        for place in np.linspace(9, 11, 61)
    ]
    largest = (straight.ssr - min(sums)) / (min(sums) / 11)
    assert largest == pytest.approx(departures(runs).change.F)


@pytest.mark.parametrize(("K", "m", "critical"), [(6, 3, 6.88), (7, 3, 6.83), (8, 3, 7.06), (7, 1, 16.35)])
def test_the_critical_values_are_those_tabulated(K, m, critical):
    design = geometry(np.tile(2.0 ** np.arange(K), m), None)
    assert np.quantile(design.null.largest, 0.95) == pytest.approx(critical, rel=0.05)


def test_hundreds_of_groups_take_seconds():
    groups = [planted(line, seed=seed) for seed in range(300)]
    verdict(groups[0], ACCURACY)
    before = time.process_time()
    for runs in groups:
        verdict(runs, ACCURACY)
    assert time.process_time() - before < 3  # 0.3 s on an idle core
