import numpy as np
import pytest
import statsmodels.api as sm

from analysis.curve import curve
from analysis.fitting import SUBSET_LUCK, Runs, Status, fit
from analysis.laws import LAWS, LOGLINEAR
from analysis.least_squares import Level
from analysis.metric import ACCURACY

AMOUNTS = np.array([128.0, 256, 512, 1024, 2048])


def planted(seed=0, m=3, sd=1.0, amounts=AMOUNTS, chain_sd=0.0):
    """`m` chains over all amounts: intercept -50, 10 points per doubling, chains with luck of their own."""
    generator = np.random.default_rng(seed)
    amount, chain = np.tile(amounts, m), np.repeat(np.arange(m), len(amounts))
    x = np.log2(amount)
    values = -50 + 10 * x + generator.normal(scale=sd, size=len(x))
    values += generator.normal(scale=chain_sd, size=m)[chain] * (x - x.mean())
    labels = [f"amount {a:g}, seed {c}" for a, c in zip(amount, chain, strict=True)]
    return Runs(amount, values, chain, labels)


def without(runs, *places):
    keep = [i for i in range(len(runs.values)) if i not in places]
    return Runs(runs.amounts[keep], runs.values[keep], runs.chains[keep], [runs.labels[i] for i in keep])


def with_value(runs, place, value):
    values = runs.values.copy()
    values[place] = value
    return Runs(runs.amounts, values, runs.chains, runs.labels)


def test_planted_parameters_come_back():
    found = fit(LOGLINEAR, planted(sd=1e-3)).parameters
    assert found["per_doubling"].estimate == pytest.approx(10, abs=1e-3)
    assert found["intercept"].estimate == pytest.approx(-50, abs=1e-2)


def test_the_run_level_agrees_with_statsmodels():
    runs = planted(m=2)  # under three chains there is only the run level
    ours = fit(LOGLINEAR, runs)
    theirs = sm.OLS(runs.values, sm.add_constant(np.log2(runs.amounts))).fit()
    estimates = [ours.parameters[name] for name in ("intercept", "per_doubling")]
    assert [one.level for one in estimates] == [Level.RUN, Level.RUN]
    assert [one.estimate for one in estimates] == pytest.approx(list(theirs.params), rel=1e-9)
    assert [(one.low, one.high) for one in estimates] == [pytest.approx(row) for row in theirs.conf_int()]
    assert ours.r_squared == pytest.approx(theirs.rsquared)
    assert ours.residual_sd == pytest.approx(np.sqrt(theirs.mse_resid))


def test_the_chain_level_is_the_t_interval_of_per_chain_slopes_where_chains_are_complete():
    runs = planted(m=4, chain_sd=2.0)
    slope = fit(LOGLINEAR, runs).parameters["per_doubling"]
    slopes = [np.polyfit(np.log2(AMOUNTS), runs.values[runs.chains == chain], 1)[0] for chain in range(4)]
    margin = 3.182446305284263 * np.std(slopes, ddof=1) / 2  # t with 3 degrees of freedom, over root 4
    assert slope.level is Level.CHAIN
    assert (slope.low, slope.high) == pytest.approx((np.mean(slopes) - margin, np.mean(slopes) + margin))


def test_the_chain_level_of_incomplete_chains_is_the_cr2_interval_written_out():
    runs = without(planted(m=4, chain_sd=2.0), 2, 9, 14)
    X = np.column_stack([np.ones(len(runs.values)), np.log2(runs.amounts)])
    bread = np.linalg.inv(X.T @ X)
    beta = bread @ X.T @ runs.values
    residuals, hat = runs.values - X @ beta, X @ bread @ X.T
    rest, weights = np.eye(len(X)) - hat, []
    for chain in range(4):
        mine = runs.chains == chain
        values, vectors = np.linalg.eigh(np.eye(mine.sum()) - hat[np.ix_(mine, mine)])
        root = (vectors / np.sqrt(values)) @ vectors.T
        weight = np.zeros(len(X))
        weight[mine] = root @ X[mine] @ bread[1]
        weights.append(weight)
    variance = sum((weight @ residuals) ** 2 for weight in weights)
    products = np.array([[one @ rest @ other for other in weights] for one in weights])
    freedom = np.trace(products) ** 2 / (products**2).sum()
    scatter = fit(LOGLINEAR, runs).solution.chain_scatter(np.array([[0.0, 1.0]]))
    assert (scatter.spread**2).sum() == pytest.approx(variance)
    assert scatter.degrees_of_freedom[0] == pytest.approx(freedom)


def test_the_headline_is_the_chain_level_and_the_run_level_stands_beside_it():
    found = fit(LOGLINEAR, planted(chain_sd=0.3))
    levels = found.solution.levels(np.eye(2))
    assert list(found.parameters.values()) == levels[Level.CHAIN]
    theirs = sm.OLS(found.runs.values, sm.add_constant(np.log2(found.runs.amounts))).fit().conf_int()
    assert [(one.low, one.high) for one in levels[Level.RUN]] == [pytest.approx(row) for row in theirs]


def test_the_p_value_is_that_of_the_t_test():
    runs = planted(m=2, sd=30.0)
    theirs = sm.OLS(runs.values, sm.add_constant(np.log2(runs.amounts))).fit().pvalues
    found = fit(LOGLINEAR, runs).parameters.values()
    assert [one.p for one in found] == [pytest.approx(p) for p in theirs]


def test_chains_of_a_single_run_each_are_independent_runs():
    runs = planted()
    single = Runs(runs.amounts, runs.values, np.arange(len(runs.values)), runs.labels)
    unknown = Runs(runs.amounts, runs.values, None, runs.labels)
    slopes = [fit(LOGLINEAR, each).parameters["per_doubling"] for each in (single, unknown)]
    assert [one.level for one in slopes] == [Level.RUN, Level.RUN]
    assert slopes[0].width == pytest.approx(slopes[1].width)


def test_shuffled_rows_give_the_same_bits():
    runs = planted()
    order = np.random.default_rng(1).permutation(len(runs.values))
    shuffled = Runs(
        runs.amounts[order], runs.values[order], runs.chains[order], [runs.labels[i] for i in order]
    )
    assert fit(LOGLINEAR, shuffled).parameters == fit(LOGLINEAR, runs).parameters


def test_the_mean_at_an_amount_lies_on_the_line_with_the_narrowest_interval_in_the_middle():
    low, middle, high = fit(LOGLINEAR, planted(m=2)).at(np.array([128.0, 512.0, 2048.0]))
    assert low.estimate + high.estimate == pytest.approx(2 * middle.estimate)
    assert middle.width < low.width == pytest.approx(high.width)


def test_one_amount_ends_as_too_few_amounts():
    ended = fit(LOGLINEAR, planted(amounts=np.array([128.0])))
    assert ended.status is Status.TOO_FEW_AMOUNTS
    assert ended.parameters["per_doubling"].estimate is None
    assert ended.at(np.array([1.0]))[0].estimate is None


def test_two_runs_at_two_amounts_have_an_estimate_but_no_interval():
    ended = fit(LOGLINEAR, planted(m=1, amounts=np.array([128.0, 256.0])))
    assert ended.status is Status.NO_INTERVAL
    slope = ended.parameters["per_doubling"]
    assert slope.estimate is not None
    assert slope.low is None


def test_equal_values_have_no_r_squared():
    runs = planted()
    flat = Runs(runs.amounts, np.full(len(runs.values), 33.3), runs.chains, runs.labels)
    found = curve({}, flat, LOGLINEAR, ACCURACY)
    assert found.fit.r_squared is None
    assert found.fit.lack_of_fit is None
    assert "all values are equal: no R squared, and an interval without width" in found.warnings


def test_lack_of_fit_is_the_published_f_test():
    runs = planted(sd=0.5)
    bent = Runs(runs.amounts, runs.values + (np.log2(runs.amounts) - 9) ** 2, runs.chains, runs.labels)
    test = fit(LOGLINEAR, bent).lack_of_fit
    x = np.log2(runs.amounts)
    line = sm.OLS(bent.values, sm.add_constant(x)).fit()
    means = sm.OLS(bent.values, (x[:, None] == np.unique(x)).astype(float)).fit()
    F, p, df = means.compare_f_test(line)
    assert (test.F, test.df_between, test.df_within) == (pytest.approx(F), df, 10)
    assert test.p == pytest.approx(p)
    assert any(text.startswith("lack of fit") for text in curve({}, bent, LOGLINEAR, ACCURACY).warnings)


@pytest.mark.parametrize(("value", "m"), [(50.0, 1), (33.3, 1), (100 / 3, 3), (0.1, 3)])
def test_no_run_of_equal_values_is_far_from_the_line(value, m):
    runs = planted(m=m, amounts=100 * 2.0 ** np.arange(7))
    flat = Runs(runs.amounts, np.full(len(runs.values), value), runs.chains, runs.labels)
    for law in (LOGLINEAR, LAWS["constant"]):
        assert not any("far from the line" in text for text in curve({}, flat, law, ACCURACY).warnings)


def test_a_collapsed_run_is_named_and_stays_in_the_fit():
    runs = with_value(planted(), 7, 0.0)
    found = curve({}, runs, LOGLINEAR, ACCURACY)
    assert [text for text in found.warnings if "collapsed" in text] == [
        "collapsed to 0.0 at amount 512 while its neighbours did not: amount 512, seed 1"
    ]
    assert len(found.fit.runs.values) == 15
    assert found.fit.runs.values[list(found.odd)].tolist() == [0.0]


def test_a_curve_that_rises_from_nothing_is_not_called_collapsed():
    amounts = np.array([8.0, 16, 32, 64, 128])
    runs = Runs(amounts, np.array([0.0, 0.0, 1.0, 6.0, 12.0]), None, [""] * 5)
    assert not any("collapsed" in text for text in curve({}, runs, LOGLINEAR, ACCURACY).warnings)


def test_a_run_far_from_the_line_is_named():
    runs = planted(sd=0.5)
    found = curve({}, with_value(runs, 3, runs.values[3] + 6), LOGLINEAR, ACCURACY)
    assert any(
        text.startswith("far from the line at amount 1,024, by") and "amount 1024, seed 0" in text
        for text in found.warnings
    )


def test_runs_of_a_true_line_are_seldom_called_odd():
    odd = sum(bool(curve({}, planted(seed), LOGLINEAR, ACCURACY).odd) for seed in range(400))
    assert odd / 400 < 0.08  # 5 % by construction


@pytest.mark.parametrize(
    ("m", "words"), [(2, "2 of the 3 chains it takes"), (1, "1 of the 3 chains it takes")]
)
def test_under_three_chains_the_words_say_that_subset_luck_is_not_included(m, words):
    warnings = curve({}, planted(m=m), LOGLINEAR, ACCURACY).warnings
    assert f"{SUBSET_LUCK}: {words}" in warnings


def test_unequal_chains_are_named():
    warnings = curve({}, without(planted(), 4), LOGLINEAR, ACCURACY).warnings
    assert "unequal chains: 1 of 3 lack some of the 5 amounts" in warnings


def test_scatter_far_above_binomial_is_named_and_scatter_below_is_not():
    generator = np.random.default_rng(3)
    amounts = np.tile(AMOUNTS, 3)
    for sd, warned in [(6.0, True), (1.0, False)]:
        values = -30 + 8 * np.log2(amounts) + generator.normal(scale=sd, size=15)
        runs = Runs(amounts, values, None, [""] * 15, np.full(15, 600.0))
        warnings = curve({}, runs, LOGLINEAR, ACCURACY).warnings
        assert any("times what the number of items explains" in text for text in warnings) == warned
