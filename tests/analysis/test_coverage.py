"""Intervals cover what they promise: simulated, seeded, 4,000 studies each."""

import numpy as np
import pytest

from analysis.fitting import Runs, fit
from analysis.laws import LOGLINEAR
from analysis.least_squares import Level, solve, t_quantile
from analysis.pairs import fieller

STUDIES = 4000
SLOPE = np.array([[0.0, 1.0]])


def simulated(K, m, run_sd, chain_sd=0.0, seed=0, studies=STUDIES):
    """Studies of `m` chains over `K` amounts, true slope 5; chains have luck of their own."""
    generator = np.random.default_rng(seed)
    x, chains = np.tile(np.arange(7.0, 7 + K), m), np.repeat(np.arange(m), K)
    design = np.column_stack([np.ones_like(x), x])
    centred = (x - x.mean()) / np.ptp(x)
    for _ in range(studies):
        level, tilt = generator.normal(scale=chain_sd, size=(2, m))
        noise = generator.normal(scale=run_sd, size=K * m)
        yield design, 5 * x + level[chains] + tilt[chains] * centred + noise, chains


def covers(slope):
    return slope.low <= 5 <= slope.high


def coverage(studies, level=None):
    """Share of intervals with the truth: the headline, or one level."""
    found = [
        solve(*study).levels(SLOPE)[level] if level else solve(*study).estimates(SLOPE) for study in studies
    ]
    return np.mean([covers(one[0]) for one in found])


def test_the_headline_covers_in_a_few_studies():
    assert coverage(simulated(5, 3, 1.4, 1.7, studies=500)) >= 0.93


@pytest.mark.slow
@pytest.mark.parametrize(("K", "m"), [(5, 3), (4, 2)])
@pytest.mark.parametrize("run_sd", [0.7, 1.4, 2.8])  # half, once and twice binomial of 1,300 items
def test_the_headline_covers_95_percent_where_runs_are_independent(K, m, run_sd):
    assert 0.93 <= coverage(simulated(K, m, run_sd)) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("chain_sd", [0.0, 0.9, 1.7])  # intraclass correlations 0, .3 and .6 of run sd 1.4
def test_the_headline_covers_95_percent_where_chains_have_luck_of_their_own(chain_sd):
    assert 0.93 <= coverage(simulated(5, 3, 1.4, chain_sd)) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("chain_sd", [0.9, 1.7])
def test_two_chains_cover_too_where_their_luck_is_no_larger_than_that_of_runs(chain_sd):
    assert coverage(simulated(4, 2, 1.4, chain_sd)) >= 0.93


@pytest.mark.slow
def test_the_run_level_alone_would_not_cover_chains_with_slopes_of_their_own():
    studies = list(simulated(5, 3, 1.0, 4.0))
    assert coverage(studies, Level.RUN) < 0.93 <= coverage(studies)


@pytest.mark.slow
def test_the_wider_of_two_levels_would_cover_too_often():
    covered = [
        any(covers(one[0]) for one in solve(*study).levels(SLOPE).values()) for study in simulated(5, 3, 1.4)
    ]
    assert np.mean(covered) > 0.975


@pytest.mark.slow
def test_the_headline_covers_where_cells_are_missing():
    covered, generator = 0, np.random.default_rng(9)
    for design, values, chains in simulated(5, 4, 1.4, 1.7, seed=2):
        keep = np.sort(generator.permutation(20)[:16])
        if len(np.unique(chains[keep])) < 4:
            continue
        slope = solve(design[keep], values[keep], chains[keep]).estimates(SLOPE)[0]
        covered += slope.low <= 5 <= slope.high
    assert covered / STUDIES >= 0.93


@pytest.mark.slow
def test_the_intercept_and_the_band_cover_too():
    inside = np.zeros(2)
    for design, values, chains in simulated(5, 3, 1.4, 1.7):
        runs = Runs(2.0 ** design[:, 1], values, chains, [""] * 15)
        fitted = fit(LOGLINEAR, runs)
        estimates = [fitted.parameters["intercept"], fitted.at(np.array([2.0**11]))[0]]
        truths = [0.0, 55.0]
        inside += [one.low <= truth <= one.high for one, truth in zip(estimates, truths, strict=True)]
    assert (inside / STUDIES >= 0.93).all()


@pytest.mark.slow
@pytest.mark.parametrize("slope", [5.0, 0.5])
def test_fieller_covers_where_the_denominator_is_weak(slope):
    generator, covered = np.random.default_rng(4), 0
    x = np.tile(np.arange(5.0), 3)
    design, t = np.column_stack([np.ones(15), x]), t_quantile(13.0)
    spread = 1.0 / ((x - x.mean()) ** 2).sum()
    for _ in range(STUDIES):
        noise = generator.normal(scale=0.8, size=(15, 2))
        top = solve(design, 0.4 * slope * x + noise[:, 0], None)
        bottom = solve(design, slope * x + noise[:, 1], None)
        residuals = np.column_stack([top.residuals, bottom.residuals])
        covariance = residuals.T @ residuals / 13 * spread
        ends = fieller(float(top.parameters[1]), float(bottom.parameters[1]), covariance, t)
        covered += ends is None or ends[0] <= 0.4 <= ends[1]
    assert covered / STUDIES >= 0.93
