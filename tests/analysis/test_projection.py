import numpy as np
import pytest
from scipy.optimize import least_squares

from analysis.averages import averages
from analysis.fitting import Runs, fit
from analysis.laws import LAWS, CurvedLaw
from analysis.metric import ACCURACY, LOSS
from analysis.problems import Problems
from analysis.projection import optimise
from analysis.searched import bounds_of
from analysis.weighted import solve_bounded
from tests.analysis.planted import ACCURACY_LAWS, AMOUNTS, LOSS_LAWS, runs_of

CURVED = [law for law in LAWS.values() if isinstance(law, CurvedLaw)]
SMOOTH = [law for law in CURVED if law.id not in ("segmented", "bnsl1")]


def noisy(law, m=3, sd=1.0, seed=0):
    formula, parameters = ACCURACY_LAWS[law.id]
    return runs_of(formula(AMOUNTS, **parameters), m=m, sd=sd, seed=seed)


@pytest.mark.parametrize("law", CURVED, ids=lambda law: law.id)
def test_a_problem_gives_the_same_bits_alone_and_among_others(law):
    values = np.stack([noisy(law, m=1, seed=seed).values for seed in range(12)])
    many = Problems(np.tile(np.log2(AMOUNTS), (12, 1)), values, None, np.ones_like(values))
    together = optimise(law, many, bounds_of(law, ACCURACY))
    for place in (0, 7, 11):
        alone = optimise(law, many.take(np.array([place])), bounds_of(law, ACCURACY))
        assert np.array_equal(alone.shapes[0], together.shapes[place])
        assert np.array_equal(alone.linear[0], together.linear[place])


@pytest.mark.parametrize("law", CURVED, ids=lambda law: law.id)
def test_shuffled_rows_give_the_same_bits(law):
    runs = noisy(law)
    order = np.random.default_rng(4).permutation(len(runs.values))
    shuffled = Runs(
        runs.amounts[order], runs.values[order], runs.chains[order], [runs.labels[i] for i in order]
    )
    assert fit(law, shuffled, ACCURACY).parameters == fit(law, runs, ACCURACY).parameters


@pytest.mark.parametrize("law", SMOOTH, ids=lambda law: law.id)
def test_a_general_optimiser_started_at_the_optimum_finds_nothing_better(law):
    runs = noisy(law)
    found = fit(law, runs, ACCURACY)
    formula, _ = ACCURACY_LAWS[law.id]
    names = [one.name for one in law.parameters if one.held is None]
    held = {one.name: one.held for one in law.parameters if one.held is not None}
    start = np.array([found.parameters[name].estimate for name in names])
    low = [0.0 if one.level else -np.inf for one in law.parameters if one.held is None]
    high = [100.0 if one.level else np.inf for one in law.parameters if one.held is None]
    inside = np.clip(start, np.array(low) + 1e-9, np.array(high) - 1e-9)

    def residuals(values):
        return formula(runs.amounts, **dict(zip(names, values, strict=True)), **held) - runs.values

    other = least_squares(residuals, inside, bounds=(low, high), x_scale=np.abs(inside) + 1e-6, xtol=1e-14)
    assert found.solution.residual_sum <= 2 * other.cost * (1 + 1e-7)


def test_on_the_log_scale_the_optimum_is_that_of_the_residuals_of_logarithms():
    formula, parameters = LOSS_LAWS["rectified"]
    values = formula(AMOUNTS, **parameters) * np.exp(np.random.default_rng(0).normal(scale=0.03, size=8))
    found = fit(LAWS["rectified"], runs_of(values), LOSS)
    names = list(found.parameters)
    start = np.array([found.parameters[name].estimate for name in names])

    def residuals(scaled):
        return np.log(formula(AMOUNTS, **dict(zip(names, scaled * start, strict=True))) / values)

    other = least_squares(residuals, np.ones(4), xtol=1e-15, ftol=1e-15)
    ours = residuals(np.ones(4))
    assert ours @ ours <= 2 * other.cost * (1 + 1e-6)
    assert found.search.gradient < 1e-6


def test_replicates_count_as_single_runs():
    law = LAWS["power"]
    runs = noisy(law)
    means = averages(
        np.sort(runs.amounts), runs.values[np.argsort(runs.amounts, kind="stable")], log_scale=False
    )
    optimum = optimise(law, means.problem(), bounds_of(law, ACCURACY))
    found = fit(law, runs, ACCURACY)
    assert optimum.objective[0] + means.within == pytest.approx(found.solution.residual_sum)


def test_a_fit_says_how_the_search_ended():
    found = fit(LAWS["power"], noisy(LAWS["power"]), ACCURACY)
    assert found.status == "converged"
    assert found.search.n_starts == 6
    assert 2 <= found.search.agreeing <= 6
    assert 0 < found.search.objective < 0.05
    assert found.search.gradient < 1e-6


def test_a_parameter_at_its_bound_is_named_and_has_no_interval():
    values = 20 + 9 * np.log2(AMOUNTS / 128)  # a line: the asymptote wants to be far above 100
    found = fit(LAWS["power"], runs_of(values, m=3, sd=0.1), ACCURACY)
    assert found.status == "a parameter at its bound"
    assert found.search.at_bound == ("asymptote",)
    assert found.parameters["asymptote"].estimate == 100
    assert found.parameters["asymptote"].low is None


def test_bounded_least_squares_agrees_with_scipy():
    generator = np.random.default_rng(2)
    basis, response = generator.normal(size=(40, 6, 2)), generator.normal(size=(40, 6)) * 3
    omega, bounds = generator.uniform(0.5, 2, size=(40, 6)), ((0.0, 1.0), (-0.5, np.inf))
    found = solve_bounded(basis, response, omega, bounds)
    for place in range(40):
        root = np.sqrt(omega[place])

        def residuals(linear, place=place, root=root):
            return root * (basis[place] @ linear - response[place])

        other = least_squares(residuals, [0.5, 0.5], bounds=([0, -0.5], [1, np.inf]), xtol=1e-14)
        assert found.objective[place] == pytest.approx(2 * other.cost, rel=1e-6)
