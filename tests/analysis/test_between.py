import json

import numpy as np
import pandas as pd
import pytest

from tests.analysis.test_commands import run


@pytest.fixture
def table(tmp_path):
    """Three sizes and seeds, two strategies: `queries` is 4 points ahead at 5 points a doubling."""
    generator = np.random.default_rng(0)
    luck = generator.normal(scale=0.02, size=3)
    rows = [
        {
            "model": model,
            "strategy": strategy,
            "n": n,
            "seed": seed,
            "acc": 0.1
            + ahead
            + 0.05 * np.log2(n / 128)
            + 0.06 * i
            + luck[seed]
            + generator.normal(scale=0.004),
        }
        for i, model in enumerate(("1b", "2B", "4b"))
        for strategy, ahead in (("queries", 0.04), ("responses", 0.0))
        for n in (128, 256, 512, 1024, 2048)
        for seed in range(3)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    return tmp_path / "runs.csv"


OPTIONS = ("--amount", "n", "--value", "acc", "--seed", "seed")


def test_strategies_are_compared_within_the_other_groups(monkeypatch, capsys, table):
    arguments = ("fit", table, *OPTIONS, "--by", "model", "--compare", "strategy", "--json")
    code, out, err = run(monkeypatch, capsys, *arguments)
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert len(told["fits"]) == 6
    assert [one["model"] for one in told["comparisons"]] == ["1b", "2B", "4b"]
    for one in told["comparisons"]:
        assert one["average"]["estimate"] == pytest.approx(4, abs=0.5)
        # Luck of seeds, 2 points, is shared and cancels.
        assert one["average"]["high"] - one["average"]["low"] < 1.5
        assert one["p_holm"]["average"] < 0.01
    for one in told["equivalences"]:
        assert one["ratio"]["estimate"] == pytest.approx(2**0.8, rel=0.1)
        assert one["ratio"]["low"] < one["ratio"]["estimate"] < one["ratio"]["high"]
        assert one["parallel"]


def test_without_seeds_the_same_comparison_is_wider(monkeypatch, capsys, table):
    widths = []
    for seed in (OPTIONS, OPTIONS[:4]):
        _, out, _ = run(
            monkeypatch, capsys, "fit", table, *seed, "--by", "model", "--compare", "strategy", "--json"
        )
        average = json.loads(out)["comparisons"][0]["average"]
        widths.append(average["high"] - average["low"])
    assert widths[0] < widths[1]


def test_sizes_get_a_joint_law_and_each_is_held_out(monkeypatch, capsys, table):
    _, out, _ = run(
        monkeypatch, capsys, "fit", table, *OPTIONS, "--by", "strategy", "--size", "model", "--json"
    )
    sizes = json.loads(out)["sizes"]
    assert [one["group"] for one in sizes] == [{"strategy": "queries"}, {"strategy": "responses"}]
    for one in sizes:
        parameters = one["joint"]["parameters"]
        assert parameters["per_size_doubling"]["estimate"] == pytest.approx(6, abs=0.3)
        assert parameters["per_doubling"]["estimate"] == pytest.approx(5, abs=0.3)
        largest = one["held_out"][-1]
        assert largest["size"] == 4e9
        assert largest["rms_error"]["joint"] < 1.5 < largest["rms_error"]["nearest"]


def test_people_read_the_same(monkeypatch, capsys, table):
    arguments = ("fit", table, *OPTIONS, "--compare", "strategy", "--size", "model")
    code, out, _ = run(monkeypatch, capsys, *arguments)
    assert code == 0
    assert "one queries example is worth 1." in out
    assert "held out: root mean square error" in out


def test_a_column_that_holds_no_sizes_is_refused(monkeypatch, capsys, table):
    code, out, err = run(monkeypatch, capsys, "fit", table, *OPTIONS, "--by", "model", "--size", "strategy")
    assert (code, out) == (2, "")
    assert "size 'queries' is no number of parameters" in err
