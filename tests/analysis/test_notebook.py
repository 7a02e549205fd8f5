import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import analysis
from orchestrator.refusal import Refused
from tests.analysis.toy import ToyStudy

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "python.md"
PUBLISHED = ROOT.parent / "shared" / "data" / "curves" / "published_points.csv"


def runs(slope=5.0, sd=1.0):
    generator = np.random.default_rng(3)
    rows = [
        {"model": model, "n": n, "seed": seed, "acc": slope * np.log2(n) - 20 + generator.normal(scale=sd)}
        for model in ("small", "large")
        for n in (128, 256, 512, 1024)
        for seed in (0, 1, 2)
    ]
    return pd.DataFrame(rows)


def fitted(**options):
    return analysis.fit(runs(), amount="n", value="acc", percent=True, by="model", seed="seed", **options)


def test_importing_the_package_loads_neither_pandas_nor_matplotlib():
    check = "import sys, analysis; print({'pandas', 'matplotlib', 'scipy'} & set(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert ended.stdout == "set()\n"


def test_planted_slopes_come_back_as_columns():
    table = fitted().table
    assert table["model"].tolist() == ["small", "large"]
    assert ((table["per_doubling_low"] < 5) & (table["per_doubling_high"] > 5)).all()
    assert table["n_points"].tolist() == [12, 12]


def test_a_path_and_a_frame_give_the_same(tmp_path):
    runs().to_csv(tmp_path / "runs.csv", index=False)
    options = {"amount": "n", "value": "acc", "percent": True, "by": ["model"], "seed": "seed"}
    both = [analysis.fit(source, **options).table for source in (tmp_path / "runs.csv", runs())]
    pd.testing.assert_frame_equal(*both)


def test_rows_may_come_from_a_filtered_frame():
    part = runs()[lambda rows: rows["n"] > 128]
    assert analysis.fit(part, amount="n", value="acc", percent=True).table["n_points"].tolist() == [18]


def test_runs_are_what_the_law_says_and_a_residual():
    rows = fitted().runs
    assert len(rows) == 24
    assert (rows["fitted"] + rows["residual"]).to_numpy() == pytest.approx(rows["value"].to_numpy())


def test_predictions_have_intervals_that_widen_beyond_the_data():
    told = fitted().at([512, 4096])
    widths = (told["high"] - told["low"]).to_numpy()
    assert told["n"].tolist() == [512, 4096, 512, 4096]
    assert widths[1] > widths[0] > 0


def test_a_chosen_law_has_a_verdict_a_held_out_error_and_forecasts():
    fits = fitted(law="auto", predict=[2048, 4096])
    assert fits.table["verdict"].notna().all()
    assert (fits.table["holdout_error"] > 0).all()
    assert fits.predictions["n"].tolist() == [2048, 4096] * 2
    truth = 5 * np.log2(fits.predictions["n"]) - 20
    assert ((fits.predictions["low"] < truth) & (truth < fits.predictions["high"])).all()


def test_values_of_a_column_are_compared_and_their_equivalence_is_drawn():
    rows = runs()
    rows.loc[rows["model"] == "large", "acc"] += 5  # a doubling is worth five points
    fits = analysis.fit(rows, amount="n", value="acc", percent=True, seed="seed", compare="model")
    assert fits.comparisons["average.estimate"].tolist() == pytest.approx([-5], abs=1)
    assert fits.equivalences[["first", "second"]].to_numpy().tolist() == [["small", "large"]]
    assert "equivalence" in fits.figures
    assert isinstance(fits.figure("equivalence"), Figure)


@pytest.mark.slow
def test_every_figure_is_a_matplotlib_figure_of_the_width_asked_for():
    fits = fitted()
    assert {"scaling", "slopes", "residuals", "bars"} <= set(fits.figures)
    for name in fits.figures:
        figure = fits.figure(name, column="single")
        assert isinstance(figure, Figure)
        assert figure.get_size_inches()[0] == 3.25


def test_what_there_is_not_is_refused_with_what_there_is():
    with pytest.raises(Refused, match="no figure 'pie': there is scaling, slopes"):
        fitted().figure("pie")
    with pytest.raises(Refused, match="no column 'triple': there is single, double"):
        fitted().figure("scaling", column="triple")
    with pytest.raises(Refused, match="no law 'cubic'"):
        fitted(law="cubic")


def test_a_notebook_shows_the_table_with_names_escaped():
    rows = runs().assign(model="<script>alert(1)</script>")
    rows["seed"] = range(len(rows))
    shown = analysis.fit(rows, amount="n", value="acc", percent=True, by="model", seed="seed")._repr_html_()
    assert "<table" in shown
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_a_study_is_loaded_as_its_report_has_it(tmp_path):
    study = analysis.load(ToyStudy().write(tmp_path))
    assert len(study.runs) == 94
    assert study.fits.table["n_points"].tolist() == [15] * 6
    assert study.comparisons["average.estimate"].notna().all()
    assert study.transfers["ratio.low"].notna().all()
    assert "domains" in study.figures
    assert "Which strategy?" in study._repr_html_()
    assert not (tmp_path / "studies" / "toy" / "report").exists()


@pytest.mark.slow
@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published points are not beside this repository")
def test_the_worked_example_runs_as_it_is_printed(tmp_path, monkeypatch):
    example = PAGE.read_text().split("## A study of ours")[0]
    code = "\n".join(re.findall(r"```python\n(.*?)```", example, flags=re.DOTALL))
    (tmp_path / "published_points.csv").write_bytes(PUBLISHED.read_bytes())
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)  # noqa: S102 (the page's own code)
    fits, points = names["fits"].table, names["series"]
    assert len(fits) == 14
    assert fits["per_doubling"].between(5, 11).all()
    assert len(names["collapsed"]) == (points["value_percent"] == 0).sum()
    assert (tmp_path / "sft.pdf").read_bytes().startswith(b"%PDF")
    predictions = names["best"].predictions
    assert predictions["amount"].tolist() == [2.0] * 7
    assert (predictions["low"] <= predictions["estimate"]).all()
