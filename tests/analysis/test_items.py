import numpy as np
import pytest

from analysis.fitting import Runs, fit
from analysis.items import Items, for_problems_like_these
from analysis.laws import LOGLINEAR

K, M, N = 5, 3, 200


def study(generator, item_slope_sd=3.0, chain_slope_sd=0.4, clusters=N):
    """Answers to items whose chances rise with the amount, each by its own slope, which clusters share."""
    x, chains = np.tile(np.arange(K) - 2.0, M), np.repeat(np.arange(M), K)
    cluster = np.arange(N) * clusters // N
    own = generator.normal(scale=item_slope_sd, size=clusters)[cluster]
    luck = generator.normal(scale=chain_slope_sd, size=M)[chains]
    chances = np.clip(50 + (5 + own + luck[:, None]) * x[:, None] + generator.normal(scale=6, size=N), 1, 99)
    answers = 100.0 * (generator.random((K * M, N)) < chances / 100)
    runs = Runs(2.0 ** (9 + x), answers.mean(axis=1), chains, [""] * (K * M))
    return runs, Items(answers, cluster)


def targets(runs, items):
    slope = fit(LOGLINEAR, runs).parameters["per_doubling"]
    weights = np.linalg.pinv(LOGLINEAR.design(runs.amounts))[1]
    return slope, for_problems_like_these(slope, weights, runs.chains, items)


def test_the_estimate_is_the_same_for_both_targets():
    runs, items = study(np.random.default_rng(0))
    this, like = targets(runs, items)
    assert this.estimate == pytest.approx(like.estimate)


def test_items_that_differ_widen_the_standard_error():
    runs, items = study(np.random.default_rng(0), item_slope_sd=12.0)
    this, like = targets(runs, items)
    assert like.standard_error > 1.2 * this.standard_error


@pytest.mark.slow
@pytest.mark.parametrize(("item_slope_sd", "clusters"), [(3.0, N), (9.0, N), (9.0, 50)])
def test_the_interval_for_problems_like_these_covers_the_slope_of_all_problems(item_slope_sd, clusters):
    generator, covered = np.random.default_rng(1), 0
    for _ in range(600):
        _, like = targets(*study(generator, item_slope_sd, clusters=clusters))
        covered += like.low <= 5 <= like.high
    assert covered / 600 >= 0.93


@pytest.mark.slow
def test_the_interval_for_this_benchmark_does_not_cover_the_slope_of_all_problems():
    generator, covered = np.random.default_rng(1), 0
    for _ in range(600):
        this, _ = targets(*study(generator, 15.0, 0.0, clusters=50))
        covered += this.low <= 5 <= this.high
    assert covered / 600 < 0.9


def test_one_cluster_of_items_says_nothing_of_other_problems():
    runs, items = study(np.random.default_rng(0))
    _, like = targets(runs, Items(items.correct, np.zeros(N, dtype=np.intp)))
    assert (like.low, like.high) == (None, None)
