import re

import pytest

from tests.tiny import AXES, doublings


@pytest.mark.slow
def test_a_plan_says_how_well_slopes_will_be_known(tmp_path):
    ended = doublings(tmp_path, "plan", *AXES)
    assert ended.returncode == 0, ended.stderr
    assert "expected for this benchmark, if runs scatter as 10 items answered at random" in ended.stdout
    assert re.search(r"3 amounts x 2 seeds: a slope to ±\d+ points per doubling \(95 %\)", ended.stdout)
