"""What is published about 60 fine-tuning curves is met; skipped where they are not beside the repository."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.averages import averages
from analysis.forecast import choose
from analysis.laws import LAWS
from analysis.metric import LOSS
from analysis.problems import Problems
from analysis.projection import optimise
from analysis.searched import bounds_of

CURVES = Path(__file__).parents[3] / "shared" / "data" / "curves" / "fine_tuning"
PUBLISHED_RMSD = {"flan": 0.006478, "wmt19": 0.012277}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CURVES.exists(), reason="the curves are not beside this repository"),
]


def losses(name):
    table = pd.read_csv(CURVES / f"{name}.csv")
    names = [column for column in table.columns if column.isdigit() and int(column) > 0]
    return np.array([float(column) for column in names]), table[names].to_numpy(dtype=float)


@pytest.mark.parametrize("name", PUBLISHED_RMSD)
def test_the_rectified_law_fits_at_least_as_well_as_published(name):
    amounts, values = losses(name)
    law = LAWS["rectified"]
    problems = Problems(np.tile(np.log2(amounts), (30, 1)), values, np.log(values), np.ones_like(values))
    optima = optimise(law, problems, bounds_of(law, LOSS))
    assert np.sqrt(optima.objective / len(amounts)).mean() <= PUBLISHED_RMSD[name]


def test_losses_at_8_times_the_data_are_forecast_within_5_5_percent():
    errors = []
    for name in PUBLISHED_RMSD:
        amounts, values = losses(name)
        seen = amounts <= 204_800
        groups = [averages(amounts[seen], row[seen], log_scale=True) for row in values]
        found = [one.at(amounts[-1:])[0].estimate for one in choose(groups, LOSS)]
        errors += (np.log(found) - np.log(values[:, -1])).tolist()
    assert np.sqrt(np.mean(np.square(errors))) <= 0.055
