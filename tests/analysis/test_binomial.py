import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, stats
from statsmodels.tools.sm_exceptions import DomainWarning

from analysis.binomial import cross_checks
from analysis.fitting import Runs, fit
from analysis.laws import LOGLINEAR

N_ITEMS = 500


def counted(seed=0, correlation=0.0, K=5, m=3, slope=0.07):
    """Right answers of 500 items at `K` amounts by `m` runs; answers of a run may be correlated."""
    generator = np.random.default_rng(seed)
    x = np.tile(np.arange(float(K)), m)
    chances = 0.3 + slope * x
    if correlation:
        kappa = 1 / correlation - 1
        chances = generator.beta(chances * kappa, (1 - chances) * kappa)
    correct = generator.binomial(N_ITEMS, chances)
    n_items = np.full(len(x), float(N_ITEMS))
    return Runs(128 * 2**x, 100 * correct / N_ITEMS, None, [""] * len(x), n_items)


def test_the_quasi_binomial_is_that_of_statsmodels():
    runs = counted(correlation=0.01)
    x = np.log2(runs.amounts)
    identity = sm.families.links.Identity()
    with warnings.catch_warnings(action="ignore", category=DomainWarning):
        family = sm.families.Binomial(link=identity)
        centred = sm.add_constant(x - x.mean())
        model = sm.GLM(runs.values / 100, centred, family=family, var_weights=runs.n_items)
    theirs = model.fit(scale="X2", use_t=True)
    low, high = 100 * theirs.conf_int()[1]
    ours = cross_checks(runs)
    assert (ours.quasi_binomial.low, ours.quasi_binomial.high) == pytest.approx((low, high), rel=1e-5)
    assert ours.dispersion == pytest.approx(theirs.scale)


def test_the_beta_binomial_is_where_its_likelihood_is_largest():
    runs = counted(correlation=0.02)
    x = np.log2(runs.amounts) - np.log2(runs.amounts).mean()
    correct = np.round(runs.values / 100 * runs.n_items)

    def lost(parameters):
        mean, kappa = parameters[0] + parameters[1] * x, np.exp(parameters[2])
        return -stats.betabinom.logpmf(correct, N_ITEMS, mean * kappa, (1 - mean) * kappa).sum()

    theirs = optimize.minimize(
        lost, [0.44, 0.07, 4.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9}
    )
    ours = cross_checks(runs)
    assert ours.beta_binomial.estimate == pytest.approx(100 * theirs.x[1], rel=1e-3)
    assert ours.correlation == pytest.approx(1 / (np.exp(theirs.x[2]) + 1), rel=1e-2)


def test_runs_less_dispersed_than_binomial_have_no_beta_binomial():
    runs = counted()
    smooth = Runs(runs.amounts, 30 + 7 * (np.log2(runs.amounts) - 7) + 0.1, None, runs.labels, runs.n_items)
    found = cross_checks(smooth)
    assert found.dispersion < 1
    assert found.beta_binomial is None


def test_all_three_intervals_agree_where_runs_are_binomial():
    runs = counted(seed=3, correlation=0.005)
    line, found = fit(LOGLINEAR, runs).parameters["per_doubling"], cross_checks(runs)
    for other in (found.quasi_binomial, found.beta_binomial):
        assert other.estimate == pytest.approx(line.estimate, abs=line.width / 8)
        assert other.width == pytest.approx(line.width, rel=0.35)


def test_accuracies_at_the_ends_of_the_scale_are_no_obstacle():
    amounts = np.tile(2.0 ** np.arange(5), 2)
    runs = Runs(amounts, np.tile([0.0, 0.0, 40.0, 100.0, 100.0], 2), None, [""] * 10, np.full(10, 50.0))
    assert np.isfinite(cross_checks(runs).quasi_binomial.width)


def test_without_items_there_is_no_cross_check():
    runs = counted()
    assert cross_checks(Runs(runs.amounts, runs.values, None, runs.labels)) is None


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.01])
def test_both_cross_checks_cover(correlation):
    found = [cross_checks(counted(seed, correlation)) for seed in range(500)]
    covered = [one.quasi_binomial.low <= 7 <= one.quasi_binomial.high for one in found]
    assert 0.92 <= np.mean(covered) <= 0.98
    beta = [one.beta_binomial for one in found if one.beta_binomial is not None]
    assert np.mean([one.low <= 7 <= one.high for one in beta]) >= 0.92
