import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from analysis.averages import averages
from analysis.bootstrap import bootstrapped
from analysis.fitting import fit, ordered
from analysis.laws import LAWS
from analysis.least_squares import Level, t_quantile
from analysis.metric import ACCURACY
from analysis.problems import Problems
from analysis.projection import optimise
from analysis.searched import bounds_of
from tests.analysis.planted import ACCURACY_LAWS, AMOUNTS, runs_of

STUDIES = 200
COVERED = {
    "logoffset": ("per_doubling", "offset"),
    "logit": ("intercept", "per_doubling"),
    "segmented": ("per_doubling", "change", "break"),
    "power": ("asymptote", "amplitude", "exponent"),
    "mmf4": ("floor", "ceiling", "half", "exponent"),
    "rectified": ("asymptote", "exponent"),
}


def planted(name, m=3, sd=1.0, seed=0, amounts=AMOUNTS, chain_sd=0.0):
    formula, parameters = ACCURACY_LAWS[name]
    runs = runs_of(formula(amounts, **parameters), amounts, m, sd, seed)
    luck = (
        np.random.default_rng([seed, 1]).normal(scale=chain_sd, size=(2, m)) if chain_sd else np.zeros((2, m))
    )
    x = np.log2(runs.amounts)
    runs.values[:] += luck[0][runs.chains] + luck[1][runs.chains] * (x - x.mean()) / np.ptp(x)
    return runs


def constrained_rise(runs, name, place, value):
    """The rise of the residual sum with one parameter held, by a general optimiser."""
    formula, _ = ACCURACY_LAWS[name]
    found = fit(LAWS[name], runs, ACCURACY)
    names = list(found.parameters)
    others = np.array([found.parameters[one].estimate for one in names if one != names[place]])

    def held(scaled):
        values = np.insert(scaled * others, place, value)
        return ((formula(runs.amounts, **dict(zip(names, values, strict=True))) - runs.values) ** 2).sum()

    options = {"xatol": 1e-10, "fatol": 1e-10, "maxiter": 4000}
    best = minimize(held, np.ones(len(others)), method="Nelder-Mead", options=options)
    return best.fun - found.solution.residual_sum


@pytest.mark.parametrize("parameter", ["asymptote", "exponent"])
def test_ends_of_a_profile_interval_raise_the_residual_sum_to_the_threshold(parameter):
    runs = planted("power", sd=0.6, m=2)  # two chains: the run level alone
    found = fit(LAWS["power"], runs, ACCURACY)
    freedom = len(runs.values) - 3
    threshold = t_quantile(float(freedom)) ** 2 * found.solution.residual_sum / freedom
    place = list(found.parameters).index(parameter)
    one = found.parameters[parameter]
    assert one.level is Level.RUN
    for end in (one.low, one.high):
        assert constrained_rise(runs, "power", place, end) == pytest.approx(threshold, rel=0.02)


def test_the_interval_of_a_value_is_the_profile_too():
    """For logoffset at the offset's optimum and elsewhere: no value beyond the ends fits well enough."""
    runs = planted("logoffset", sd=0.6, m=2)
    found = fit(LAWS["logoffset"], runs, ACCURACY)
    freedom = len(runs.values) - 3
    threshold = t_quantile(float(freedom)) ** 2 * found.solution.residual_sum / freedom
    target = 2.0**16
    one = found.at(np.array([target]))[0]

    def rise(value):
        def residual_sum(log_offset):
            u, at = (np.log2(amount + np.exp2(log_offset[0])) for amount in (runs.amounts, target))
            slope = ((u - at) @ (runs.values - value)) / ((u - at) @ (u - at))
            return ((runs.values - value - slope * (u - at)) ** 2).sum()

        starts = [minimize(residual_sum, [start], method="Nelder-Mead").fun for start in (4.0, 8.0, 10.0)]
        return min(starts) - found.solution.residual_sum - threshold

    low = brentq(rise, one.estimate - 4 * (one.estimate - one.low), one.estimate)
    high = brentq(rise, one.estimate, one.estimate + 4 * (one.high - one.estimate))
    assert (one.low, one.high) == (pytest.approx(low, abs=0.03), pytest.approx(high, abs=0.03))


def test_chains_with_luck_of_their_own_widen_the_interval():
    wider = 0
    for seed in range(10):
        runs = planted("power", seed=seed, sd=0.3, chain_sd=2.0, m=4)
        found = fit(LAWS["power"], runs, ACCURACY)
        value = found.at(np.array([1024.0]))[0]
        wider += value.level is Level.CHAIN
    assert wider >= 8


def test_exact_runs_have_intervals_without_width():
    found = fit(LAWS["power"], planted("power", sd=0.0), ACCURACY)
    assert all(one.width < 1e-6 for one in found.parameters.values())


def test_as_many_parameters_as_runs_leave_no_interval():
    found = fit(LAWS["power"], planted("power", m=1, amounts=AMOUNTS[:3]), ACCURACY)
    assert found.parameters["exponent"].estimate is not None
    assert all(one.low is None for one in found.parameters.values())
    assert found.at(np.array([1e4]))[0].low is None


def test_the_bootstrap_repeats_itself_and_agrees_with_the_profile():
    found = fit(LAWS["power"], planted("power", sd=0.5), ACCURACY)
    once, again = bootstrapped(found, 400), bootstrapped(found, 400)
    assert once.parameters == again.parameters
    assert (once.intervals, found.intervals) == ("bootstrap", "profile")
    for name, one in once.parameters.items():
        assert one.low < one.estimate < one.high
        assert 0.6 < one.width / found.parameters[name].width < 1.6


def test_a_line_keeps_its_t_intervals_under_the_bootstrap():
    found = fit(LAWS["loglinear"], planted("loglinear"), ACCURACY)
    assert bootstrapped(found, 100) is found


def studies_of(name, chain_sd, n):
    """Fits of simulated studies, searched for side by side."""
    law = LAWS[name]
    many = [ordered(planted(name, seed=seed, chain_sd=chain_sd)) for seed in range(n)]
    means = [averages(runs.amounts, runs.values, log_scale=False) for runs in many]
    optima = optimise(law, Problems.joined([one.problem() for one in means]), bounds_of(law, ACCURACY))
    return [fit(law, runs, ACCURACY, optima.take(np.array([place]))) for place, runs in enumerate(many)]


@pytest.mark.slow
@pytest.mark.parametrize("name", COVERED)
@pytest.mark.parametrize("chain_sd", [0.0, 1.2], ids=["runs", "chains"])  # intraclass correlation 0 and .6
def test_intervals_of_laws_that_bend_cover_90_percent(name, chain_sd):
    formula, parameters = ACCURACY_LAWS[name]
    at = np.array([1024.0, 4 * AMOUNTS[-1]])
    hits = np.zeros(len(COVERED[name]) + 2)
    for found in studies_of(name, chain_sd, STUDIES):
        held = [(found.parameters[one], parameters[one]) for one in COVERED[name]]
        held += list(zip(found.at(at), formula(at, **parameters), strict=True))
        # A parameter at its bound has no interval and promises nothing.
        hits += [one.low is None or one.low <= value <= one.high for one, value in held]
    assert (hits / STUDIES >= 0.90).all()


@pytest.mark.slow
def test_bootstrap_intervals_cover_as_the_profile_does():
    _, parameters = ACCURACY_LAWS["power"]
    hits = np.zeros(3)
    for found in studies_of("power", 0.0, 100):
        known = bootstrapped(found, 300).parameters.items()
        hits += [one.low is None or one.low <= parameters[name] <= one.high for name, one in known]
    assert (hits / 100 >= 0.88).all()  # two standard errors of 100 studies below 94 %
