import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.averages import averages
from analysis.forecast import aicc, choose
from analysis.holdout import pairs
from analysis.laws import LAWS
from analysis.metric import ACCURACY, LOSS
from analysis.reach import reach
from tests.analysis.planted import ACCURACY_LAWS, AMOUNTS, LOSS_LAWS

FORECASTABLE = ["loglinear", "logoffset", "logit", "segmented", "power", "mmf4", "rectified"]


def means(values, amounts=AMOUNTS, metric=ACCURACY, m=1):
    return averages(np.repeat(amounts, m), np.asarray(values, dtype=float), log_scale=metric.log_scale)


def choice_of(values, amounts=AMOUNTS, metric=ACCURACY, m=1):
    return choose([means(values, amounts, metric, m)], metric)[0]


def noisy(name, n, m=3, sd=1.0):
    """`n` groups about one law, with normal scatter."""
    formula, parameters = ACCURACY_LAWS[name]
    generator = np.random.default_rng(6)
    values = np.repeat(formula(AMOUNTS[:6], **parameters), m)
    return [means(values + generator.normal(scale=sd, size=len(values)), AMOUNTS[:6], m=m) for _ in range(n)]


@pytest.mark.parametrize("name", FORECASTABLE)
def test_exact_runs_of_a_law_are_forecast_exactly(name):
    formula, parameters = ACCURACY_LAWS[name]
    ahead = AMOUNTS[-1] * np.array([2.0, 8.0])
    choice = choice_of(formula(AMOUNTS, **parameters))
    wanted = np.clip(formula(ahead, **parameters), 0, 100)
    assert [one.estimate for one in choice.at(ahead)] == pytest.approx(wanted, rel=1e-8)
    same_curves = {"rectified": ("rectified", "mmf4")}.get(name, (name,))
    assert choice.candidate.law.id in same_curves


@pytest.mark.parametrize("name", LOSS_LAWS)
def test_exact_losses_are_forecast_exactly(name):
    formula, parameters = LOSS_LAWS[name]
    choice = choice_of(formula(AMOUNTS, **parameters), metric=LOSS)
    ahead = AMOUNTS[-1] * np.array([2.0, 8.0])
    assert [one.estimate for one in choice.at(ahead)] == pytest.approx(formula(ahead, **parameters), rel=1e-8)


@pytest.mark.slow
def test_a_straight_line_in_logarithms_is_a_power_law_without_asymptote():
    choice = choice_of(8 * AMOUNTS**-0.2, metric=LOSS)
    assert choice.candidate.law.id == "power"
    assert choice.at(np.array([2.0**18]))[0].estimate == pytest.approx(8 * 2.0 ** (-0.2 * 18), rel=1e-9)


def test_equal_values_are_a_constant():
    choice = choice_of(np.full(8, 41.7))
    assert choice.candidate.law.id == "constant"
    assert choice.at(np.array([1e6]))[0].estimate == pytest.approx(41.7)


def test_held_out_amounts_are_the_largest_and_never_seen_by_what_forecasts_them():
    for K in range(3, 20):
        held_out = pairs(K)
        assert held_out
        assert all(pair.origin <= pair.target < K for pair in held_out)
        assert held_out[-1].target == K - 1
    assert pairs(2) == []


def test_the_holdout_error_is_that_of_fits_to_the_smaller_amounts():
    values = np.random.default_rng(0).normal(50, 5, size=6)
    choice = choose([means(values, AMOUNTS[:6])], ACCURACY, LAWS["last"])[0]
    squares = [(pair.weight, (values[pair.origin - 1] - values[pair.target]) ** 2) for pair in pairs(6)]
    wanted = np.sqrt(sum(w * s for w, s in squares) / sum(w for w, _ in squares))
    assert choice.holdout_error == pytest.approx(wanted)


@pytest.mark.parametrize("K", [1, 2, 3])
def test_few_amounts_still_give_numbers(K):
    for metric, values in ((ACCURACY, [30.0, 41.0, 46.0]), (LOSS, [2.0, 1.6, 1.4])):
        choice = choice_of(values[:K], AMOUNTS[:K], metric)
        estimates = [one.estimate for one in choice.at(np.array([2.0**12, 2.0**20]))]
        assert np.isfinite(estimates).all()
        low, high = metric.range
        assert all(low <= value <= high for value in estimates)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.lists(st.one_of(st.floats(0, 100), st.sampled_from([0.0, 50.0, 100.0])), min_size=1, max_size=7),
    st.sampled_from([ACCURACY, LOSS]),
)
def test_whatever_was_measured_forecasts_are_numbers_within_range_and_interval(values, metric):
    measured = np.array(values) + (0.01 if metric is LOSS else 0.0)
    choice = choice_of(measured, AMOUNTS[: len(values)], metric)
    low, high = metric.range
    for one in choice.at(np.array([1.0, 200.0, 2.0**20])):
        assert low <= one.estimate <= high
        assert one.low is None or one.low <= one.estimate <= one.high


@pytest.mark.slow
@pytest.mark.parametrize("m", [1, 3])
def test_intervals_within_the_amounts_hold_runs_to_come(m):
    formula, parameters = ACCURACY_LAWS["power"]
    generator = np.random.default_rng(7)
    amount = AMOUNTS[:1] * 2**4.5
    runs = formula(amount, **parameters) + generator.normal(scale=1 / np.sqrt(m), size=60)
    found = [one.at(amount)[0] for one in choose(noisy("power", 60, m), ACCURACY)]
    inside = [one.low <= run <= one.high for one, run in zip(found, runs, strict=True)]
    assert np.mean(inside) >= 0.88


@pytest.mark.slow
def test_a_group_is_forecast_the_same_alone_and_among_others():
    groups = noisy("power", 5)
    together = choose(groups, ACCURACY)
    for group, one in zip(groups, together, strict=True):
        alone = choose([group], ACCURACY)[0]
        assert alone.at(np.array([1e5])) == one.at(np.array([1e5]))


def test_a_last_value_off_by_luck_does_not_make_a_take_off():
    values = [49.2, 48.4, 49.3, 48.7, 49.4, 50.6]
    assert abs(choice_of(values, AMOUNTS[:6]).at(AMOUNTS[5:6] * 8)[0].estimate - 49.5) < 4


@pytest.mark.slow
def test_a_line_is_forecast_nearly_as_well_as_by_a_line():
    formula, parameters = ACCURACY_LAWS["loglinear"]
    ahead = AMOUNTS[5:6] * 4
    errors = [
        one.at(ahead)[0].estimate - formula(ahead, **parameters)[0]
        for one in choose(noisy("loglinear", 40), ACCURACY)
    ]
    assert np.sqrt(np.mean(np.square(errors))) < 2.5  # carrying the last value forward is off by 8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["constant", *FORECASTABLE])
@pytest.mark.parametrize("m", [1, 3])
def test_forecast_intervals_cover_90_percent_of_runs_to_come(name, m):
    formula, parameters = ACCURACY_LAWS[name]
    generator = np.random.default_rng(8)
    ahead = AMOUNTS[5] * np.array([2.0, 4.0, 8.0])
    inside = np.zeros(3)
    found = choose(noisy(name, 60, m), ACCURACY)
    for one in found:
        to_come = formula(ahead, **parameters) + generator.normal(size=3) / np.sqrt(m)
        inside += [e.low <= value <= e.high for e, value in zip(one.at(ahead), to_come, strict=True)]
    assert (inside / len(found) >= 0.88).all()  # one standard error of 60 groups below 92 %


def test_the_amount_for_a_value_lies_on_the_forecast_within_its_interval():
    choice = choose(noisy("power", 1, sd=0.5), ACCURACY)[0]
    target = choice.at(np.array([6000.0]))[0].estimate
    found = reach(choice, target)
    assert found.amount == pytest.approx(6000, rel=1e-3)
    assert found.low < found.amount
    assert found.high is None or found.high > found.amount


def test_a_value_beyond_the_asymptote_is_not_reached_and_one_below_is_reached_at_once():
    formula, parameters = ACCURACY_LAWS["power"]
    choice = choice_of(formula(AMOUNTS, **parameters))
    never, at_once = reach(choice, 95.0), reach(choice, 10.0)
    assert never.amount is None
    assert "is not reached within 1024 times the largest amount" in never.notes[0]
    assert at_once.amount == AMOUNTS[0]
    assert "at the smallest amount already" in at_once.notes[0]


def test_a_loss_is_reached_from_above():
    formula, parameters = LOSS_LAWS["power"]
    choice = choice_of(formula(AMOUNTS, **parameters), metric=LOSS)
    wanted = formula(np.array([5e4]), **parameters)[0]
    assert reach(choice, wanted).amount == pytest.approx(5e4, rel=1e-6)


def test_aicc_is_the_published_formula():
    values = np.array([30.0, 41.0, 46.0, 52.0, 53.0])
    fitted = values + np.array([1.0, -1.0, 1.0, -1.0, 1.0])
    n, k = 5, 3  # the line and its scatter
    wanted = n * np.log(5 / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
    assert aicc(means(values, AMOUNTS[:5]), LAWS["loglinear"], fitted) == pytest.approx(wanted)
    assert aicc(means(values[:4], AMOUNTS[:4]), LAWS["loglinear"], fitted[:4]) is None


def test_many_amounts_are_averaged_over_two_dozen_stretches_without_their_rise_as_scatter():
    generator = np.random.default_rng(3)
    amounts = 256 * 2 ** generator.uniform(0, 7, size=10_000)
    found = means(30 + 5 * np.log2(amounts / 256) + generator.normal(size=10_000), amounts)
    assert len(found.amounts) == 24
    assert found.counts.sum() == 10_000
    assert found.means == pytest.approx(30 + 5 * np.log2(found.amounts / 256), abs=0.25)
    assert found.noise == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("n", [24, 25])
def test_amount_0_is_averaged_with_no_other(n):
    amounts = np.concatenate([[0, 0], 256 * 2 ** np.linspace(0, 7, n)])
    found = means(np.arange(n + 2.0), amounts)
    assert (found.amounts[0], found.means[0], found.counts[0]) == (0, 0.5, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["power", "mmf4", "segmented"])
def test_ten_thousand_amounts_are_forecast(name):
    formula, parameters = ACCURACY_LAWS[name]
    generator = np.random.default_rng(4)
    amounts = np.geomspace(AMOUNTS[0], AMOUNTS[-1], 10_000)
    values = formula(amounts, **parameters) + generator.normal(scale=0.5, size=10_000)
    ahead = choice_of(values, amounts).at(np.array([2 * AMOUNTS[-1]]))[0]
    assert ahead.low < formula(np.array([2 * AMOUNTS[-1]]), **parameters)[0] < ahead.high


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(AMOUNTS)))
def test_at_a_measured_amount_the_forecast_lies_near_what_was_measured(place):
    """Flat, then steep: lines through the last amounts miss the first ones by far."""
    values = 4 / (1 + (AMOUNTS / AMOUNTS[4]) ** 0.6)
    found = choice_of(values * np.exp(np.random.default_rng(2).normal(scale=0.01, size=8)), metric=LOSS)
    assert found.at(AMOUNTS[[place]])[0].estimate == pytest.approx(values[place], rel=0.05)


def test_windows_forecast_beyond_the_largest_amount_and_never_up_to_it():
    found = choose(noisy("mmf4", 1), ACCURACY)[0]
    windows = np.array([one.candidate.window > 0 for one in found.tried])
    assert found.weights[windows].sum() > 0.1
    assert found.within[windows].sum() == 0
    assert found.within.sum() == pytest.approx(1)
    at_largest, beyond = AMOUNTS[5:6], AMOUNTS[5:6] * 1.5
    assert found.at(at_largest)[0].estimate == pytest.approx(found.within @ found.values(at_largest)[:, 0])
    assert found.at(beyond)[0].estimate == pytest.approx(found.weights @ found.values(beyond)[:, 0])
