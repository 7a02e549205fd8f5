"""Breaks, bends and words keep their promises: simulated, seeded."""

import numpy as np
import pytest

from analysis.departures import departures
from analysis.metric import ACCURACY
from analysis.verdict import Word, verdict
from tests.analysis.test_verdict import line, planted

pytestmark = pytest.mark.slow
STUDIES = 3000
# Chains' own intercepts and slopes: none, as large as runs scatter, and much larger.
LUCK = [(0.0, 0.0), (0.8, 0.4), (5.0, 2.0)]


def share(claims):
    return float(np.mean(list(claims)))


@pytest.mark.parametrize(("level", "tilt"), LUCK)
def test_at_most_6_percent_of_true_lines_seem_to_break(level, tilt):
    studies = (planted(line, seed=seed, level=level, tilt=tilt) for seed in range(STUDIES))
    assert share(departures(runs).change.p < 0.05 for runs in studies) <= 0.06


@pytest.mark.parametrize(("level", "tilt"), LUCK)
def test_at_most_6_percent_of_true_lines_are_called_anything_else(level, tilt):
    studies = (planted(line, seed=seed, level=level, tilt=tilt) for seed in range(STUDIES))
    words = [verdict(runs, ACCURACY).word for runs in studies]
    assert share(word not in (Word.LOG_LINEAR, Word.CANNOT_TELL) for word in words) <= 0.06


@pytest.mark.parametrize(("change", "power"), [(0.5, 0.24), (1.0, 0.71), (1.5, 0.97), (2.0, 1.0)])
def test_the_power_of_the_break_test_is_that_reported(change, power):
    studies = (
        planted(lambda x: 30 + 2 * x + change * np.maximum(x - 3, 0), seed=seed, level=2, tilt=1)
        for seed in range(600)
    )
    assert share(departures(runs).change.p < 0.05 for runs in studies) == pytest.approx(power, abs=0.06)


@pytest.mark.parametrize("change", [1.5, 3.0])
def test_the_interval_of_the_break_covers_it(change):
    def covers(found):
        low, high = found.low or 0.0, found.high or np.inf
        return low <= 256 * 2**3 <= high

    studies = (
        planted(lambda x: 30 + 2 * x + change * np.maximum(x - 3, 0), seed=seed) for seed in range(1000)
    )
    assert share(covers(departures(runs).change) for runs in studies) >= 0.92


def test_the_bend_of_a_true_line_is_found_within_the_margin_no_more_often_than_its_error_allows():
    # A parabola exactly at the margin: equivalence is claimed by mistake in 5 % at most.
    studies = (planted(lambda x: line(x) - (x - 3) ** 2 / 9, sd=0.4, seed=seed) for seed in range(STUDIES))
    assert share(departures(runs).bend.within(1.0) for runs in studies) <= 0.06
