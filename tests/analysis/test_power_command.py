import json

import numpy as np
import pandas as pd
import pytest

from tests.analysis.test_commands import run
from tests.analysis.toy import ToyStudy

ASSUMED = ("power", "--amounts", "128,256,512,1024,2048", "--seeds", "3")


def told(monkeypatch, capsys, *arguments):
    code, out, err = run(monkeypatch, capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_assumed_scatter_gives_the_seeds_tabulated(monkeypatch, capsys):
    found = told(monkeypatch, capsys, *ASSUMED, "--sd", 0.8, "--difference", "0.25,0.5,1")
    assert [one["seeds_by_runs"] for one in found["differences"]] == [17, 5, 2]
    assert found["target"] == "this benchmark"
    assert found["variance"] is None


def test_more_items_are_the_remedy_where_items_are_the_scatter(monkeypatch, capsys):
    found = told(monkeypatch, capsys, *ASSUMED, "--items", 500, "--difference", "1")
    assert found["run_sd"] == pytest.approx(50 / 500**0.5)
    assert found["differences"][0]["items"] > 500


def test_a_table_tells_its_own_scatter(monkeypatch, capsys, tmp_path):
    generator = np.random.default_rng(0)
    rows = [
        (n, seed, 0.05 * np.log2(n) - 0.2 + generator.normal(scale=0.012))
        for n in (128, 256, 512, 1024)
        for seed in range(12)
    ]
    pd.DataFrame(rows, columns=["n", "seed", "acc"]).to_csv(tmp_path / "runs.csv", index=False)
    options = ("--amount", "n", "--value", "acc", "--seed", "seed")
    found = told(monkeypatch, capsys, "power", tmp_path / "runs.csv", *options)
    assert found["run_sd"] == pytest.approx(1.2, rel=0.25)
    assert (found["amounts"], found["seeds"]) == ([128, 256, 512, 1024], 12)


def test_a_study_tells_its_scatter_and_people_read_it(monkeypatch, capsys, tmp_path):
    folder = ToyStudy(run_sd=0.02).write(tmp_path)
    found = told(monkeypatch, capsys, "power", folder)
    assert found["variance"]["run_sd"] == pytest.approx(2, rel=0.3)
    code, out, _ = run(monkeypatch, capsys, "power", folder, "--benchmark", "out")
    assert code == 0
    assert "seeds (subset and training together)" in out
    assert "one more run that narrows the slope most" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (ASSUMED, "nothing says how runs scatter: give --sd"),
        (("power", "--sd", "1"), "no amounts: give --amounts"),
        (("power", "--sd", "1", "--amounts", "128"), "a slope takes at least two distinct ones"),
        (("power", "--sd", "1", "--amounts", "128,many"), "give numbers parted by commas"),
    ],
)
def test_what_is_missing_is_said(monkeypatch, capsys, arguments, sentence):
    code, out, err = run(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_benchmark_that_is_not_there_is_refused_with_those_there_are(monkeypatch, capsys, tmp_path):
    code, _, err = run(monkeypatch, capsys, "power", ToyStudy().write(tmp_path), "--benchmark", "math")
    assert code == 2
    assert "there are in, out" in err
