"""Comparisons keep their promises: what pairing pays, and Fieller where the delta method fails."""

import numpy as np
import pandas as pd
import pytest

from analysis.compare import compare
from analysis.least_squares import solve, t_quantile
from analysis.pairs import Combination, ratio

pytestmark = pytest.mark.slow
K, M = 5, 10


def side(values, first_seed=0):
    amounts, chains = (
        np.tile(128.0 * 2 ** np.arange(K), M),
        np.repeat([f"seed {first_seed + chain}" for chain in range(M)], K),
    )
    return pd.DataFrame({"amount": amounts, "chain": chains, "value": values})


@pytest.mark.parametrize("shared_sd", [0.5, 1.0])
def test_pairing_beats_independent_seeds_by_the_factor_theory_gives(shared_sd):
    """Chains of both strategies share luck: the variance of the average difference loses it, and only it."""
    generator, run_sd = np.random.default_rng(2), 1.0
    x = np.tile(np.arange(K, dtype=float), M)
    variances = {"paired": [], "apart": []}
    for _ in range(120):
        luck, other = np.repeat(generator.normal(scale=shared_sd, size=(2, M)), K, axis=1)
        first = 30 + 5 * x + luck + generator.normal(scale=run_sd, size=K * M)
        noise = 28 + 5 * x + generator.normal(scale=run_sd, size=K * M)
        for name, second in (("paired", side(noise + luck)), ("apart", side(noise + other, 100))):
            found = compare({}, ("a", "b"), side(first), second)
            variances[name].append(found.average.standard_error**2)
    of_runs = 2 * run_sd**2 / (K * M)
    theory = (of_runs + 2 * shared_sd**2 / M) / of_runs
    assert np.mean(variances["apart"]) / np.mean(variances["paired"]) == pytest.approx(theory, rel=0.15)


@pytest.mark.parametrize("m", [1, 3])
def test_fieller_covers_a_data_equivalence_where_the_delta_method_fails(m):
    """Parallel curves 4 points apart at .2 points a doubling, run sd .8: the slope may well be zero."""
    generator, fieller_covers, delta_covers, studies = np.random.default_rng(3), 0, 0, 1500
    x = np.tile(np.arange(K, dtype=float), m)
    design = np.column_stack([np.ones_like(x), x])
    line = np.array([[1.0, x.mean()]])
    slope = np.array([[0.0, 1.0]])
    for _ in range(studies):
        first = 4 + 0.2 * x + generator.normal(scale=0.8, size=K * m)
        second = 0.2 * x + generator.normal(scale=0.8, size=K * m)
        top = Combination(solve(design, first - second, None), line)
        bottom = Combination(solve(design, (first + second) / 2, None), slope)
        found = ratio(top, bottom)
        fieller_covers += found.low is None or found.low <= 20 <= found.high
        shift = top.value / bottom.value
        errors = [one.solution.run_errors(one.contrast)[0] for one in (top, bottom)]
        delta = abs(shift) * np.hypot(errors[0] / top.value, errors[1] / bottom.value)
        delta_covers += abs(shift - 20) <= t_quantile(float(K * m - 2)) * delta
    assert delta_covers / studies < 0.91
    assert fieller_covers / studies >= 0.93
