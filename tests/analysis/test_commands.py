import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.__main__ import main

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT.parent / "shared" / "data" / "curves" / "published_points.csv"
KEYS = ["group", "law", "status", "n_points", "n_amounts", "n_seeds", "parameters"]
KEYS += ["r_squared", "residual_sd", "warnings", "levels"]


@pytest.fixture
def table(tmp_path):
    generator = np.random.default_rng(0)
    rows = [
        {"model": model, "n": n, "seed": seed, "acc": 0.05 * np.log2(n) - 0.2 + generator.normal(scale=0.01)}
        for model in ("small", "large")
        for n in (128, 256, 512, 1024, 2048)
        for seed in (0, 1, 2)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    return tmp_path / "runs.csv"


def run(monkeypatch, capsys, *arguments):
    """Exit code, stdout and stderr of `doublings ...`."""
    monkeypatch.setattr(sys, "argv", ["doublings", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err


OPTIONS = ("--amount", "n", "--value", "acc")


@pytest.mark.slow
def test_fit_prints_the_contract_and_nothing_else_from_the_shell(table):
    command = [
        sys.executable,
        "-m",
        "analysis",
        "fit",
        str(table),
        *OPTIONS,
        "--by",
        "model",
        "--seed",
        "seed",
    ]
    ended = subprocess.run([*command, "--json"], capture_output=True, text=True, cwd=ROOT, check=True)
    fits = json.loads(ended.stdout)["fits"]
    assert ended.stderr == ""
    assert [list(one) for one in fits] == [KEYS, KEYS]
    assert [one["group"] for one in fits] == [{"model": "small"}, {"model": "large"}]
    for one in fits:
        assert (one["law"], one["status"]) == ("loglinear", "converged")
        assert (one["n_points"], one["n_amounts"], one["n_seeds"]) == (15, 5, 3)
        assert list(one["parameters"]) == ["intercept", "per_doubling"]
        slope = one["parameters"]["per_doubling"]
        assert list(slope) == ["estimate", "low", "high"]
        assert slope["low"] < 5 < slope["high"]
        assert one["residual_sd"] == pytest.approx(1, abs=0.6)


def test_percent_gives_the_same_parameters_as_fractions(monkeypatch, capsys, table, tmp_path):
    percent = pd.read_csv(table).assign(acc=lambda rows: rows["acc"] * 100)
    percent.to_csv(tmp_path / "percent.csv", index=False)
    _, fractions, _ = run(monkeypatch, capsys, "fit", table, *OPTIONS, "--by", "model", "--json")
    arguments = ("fit", tmp_path / "percent.csv", *OPTIONS, "--by", "model", "--percent", "--json")
    _, percents, _ = run(monkeypatch, capsys, *arguments)
    for one, other in zip(json.loads(fractions)["fits"], json.loads(percents)["fits"], strict=True):
        assert one["parameters"]["per_doubling"] == pytest.approx(other["parameters"]["per_doubling"])


def test_the_same_input_gives_the_same_bytes(monkeypatch, capsys, table):
    outputs = {
        run(monkeypatch, capsys, "fit", table, *OPTIONS, "--seed", "seed,model", "--json")[1] for _ in "ab"
    }
    assert len(outputs) == 1


def test_without_json_there_is_a_table_and_its_notes(monkeypatch, capsys, table):
    code, out, _ = run(monkeypatch, capsys, "fit", table, *OPTIONS, "--by", "model")
    assert code == 0
    assert "per doubling" in out
    assert "subset luck not included: chains are unknown (small; large)" in out


def test_bad_input_is_one_sentence_on_stderr_and_exit_code_2(monkeypatch, capsys, table):
    code, out, err = run(monkeypatch, capsys, "fit", table, "--amount", "N", "--value", "acc", "--json")
    assert (code, out) == (2, "")
    assert err == "no column 'N': the table has model, n, seed, acc. Did you mean n?\n"


def test_an_unknown_law_is_refused_with_those_there_are(monkeypatch, capsys, table):
    code, _, err = run(monkeypatch, capsys, "fit", table, *OPTIONS, "--law", "cubic")
    assert code == 2
    assert err.startswith(
        "no law 'cubic': there is auto, constant, last, loglinear, logoffset, logit, segmented"
    )


def test_a_table_with_a_single_amount_is_refused(monkeypatch, capsys, table, tmp_path):
    rows = pd.read_csv(table)
    rows[rows["n"] == 256].to_csv(tmp_path / "one.csv", index=False)
    code, _, err = run(monkeypatch, capsys, "fit", tmp_path / "one.csv", *OPTIONS, "--by", "model")
    assert code == 2
    assert err == "column 'n' has a single amount in every group of model, 256: a line takes at least two\n"


def test_one_group_with_a_single_amount_says_so_beside_the_others(monkeypatch, capsys, table, tmp_path):
    rows = pd.read_csv(table)
    rows[(rows["model"] == "large") | (rows["n"] == 256)].to_csv(tmp_path / "some.csv", index=False)
    arguments = ("fit", tmp_path / "some.csv", *OPTIONS, "--by", "model", "--seed", "seed", "--json")
    code, out, _ = run(monkeypatch, capsys, *arguments)
    small, large = json.loads(out)["fits"]
    assert code == 0
    assert (small["status"], large["status"]) == ("too few amounts", "converged")
    assert small["parameters"]["per_doubling"] == {"estimate": None, "low": None, "high": None}
    assert "all runs have one amount: loglinear needs at least 2" in small["warnings"]


@pytest.mark.slow
def test_fit_draws_the_curves_in_the_format_of_the_name(monkeypatch, capsys, table, tmp_path):
    arguments = ("fit", table, *OPTIONS, "--by", "model", "--seed", "seed", "--column", "single")
    for name, start in {"curves.pdf": b"%PDF", "curves.png": b"\x89PNG", "curves.pgf": b"% "}.items():
        code, _, _ = run(monkeypatch, capsys, *arguments, "--figure", tmp_path / "new" / name)
        assert code == 0
        assert (tmp_path / "new" / name).read_bytes().startswith(start)


@pytest.mark.slow
def test_fit_writes_every_figure_and_table_into_a_folder(monkeypatch, capsys, table, tmp_path):
    into = tmp_path / "out"
    arguments = ("fit", table, *OPTIONS, "--by", "model", "--seed", "seed", "--into", into, "--json")
    _, out, _ = run(monkeypatch, capsys, *arguments, "--law", "auto", "--predict", "4096")
    predictions = pd.read_csv(into / "predictions.csv")
    told = [each["predictions"][0]["estimate"] for each in json.loads(out)["fits"]]
    assert predictions["estimate"].tolist() == pytest.approx(told)
    assert len(pd.read_parquet(into / "runs.parquet")) == 30
    assert "\\toprule" in (into / "tables" / "fits.tex").read_text()
    assert (into / "tables" / "fits.md").read_text().count("\n| ") >= 3
    drawn = {path.name for path in (into / "figures").iterdir()}
    assert {"scaling-single.pdf", "residuals-double.svg", "bars-single.pgf", "holdout-double.png"} <= drawn


def test_a_figure_of_no_known_format_is_refused_before_anything_is_fitted(
    monkeypatch, capsys, table, tmp_path
):
    code, out, err = run(monkeypatch, capsys, "fit", table, *OPTIONS, "--figure", tmp_path / "curves.gif")
    assert (code, out) == (2, "")
    assert err.endswith("curves.gif ends in no format of figures: there is pdf, svg, png, pgf\n")
    code, _, err = run(monkeypatch, capsys, "fit", table, *OPTIONS, "--column", "triple")
    assert (code, err) == (2, "no column 'triple': there is single, double\n")


def test_a_place_that_cannot_be_written_to_is_refused(monkeypatch, capsys, table):
    code, _, err = run(monkeypatch, capsys, "fit", table, *OPTIONS, "--figure", table / "curves.png")
    assert code == 2
    assert "cannot be written to" in err


def test_help_shows_an_example(monkeypatch, capsys):
    for verb in ("fit", "report"):
        code, out, _ = run(monkeypatch, capsys, verb, "--help")
        assert code == 0
        assert f"Example: doublings {verb}" in out


def test_a_folder_without_a_plan_is_refused(monkeypatch, capsys, tmp_path):
    code, _, err = run(monkeypatch, capsys, "report", tmp_path)
    assert code == 2
    assert "holds no plans/<n>.json" in err


@pytest.mark.slow
def test_a_thousand_groups_take_a_second(monkeypatch, capsys, tmp_path):
    generator = np.random.default_rng(1)
    grid = pd.MultiIndex.from_product(
        [range(1000), 2 ** np.arange(6, 12), range(3)], names=["g", "n", "seed"]
    )
    rows = grid.to_frame(index=False)
    rows["acc"] = 0.05 * np.log2(rows["n"]) - 0.1 + generator.normal(scale=0.01, size=len(rows))
    rows.to_csv(tmp_path / "many.csv", index=False)
    before = os.times().user
    arguments = ("fit", tmp_path / "many.csv", *OPTIONS, "--by", "g", "--seed", "seed", "--json")
    _, out, _ = run(monkeypatch, capsys, *arguments)
    assert len(json.loads(out)["fits"]) == 1000
    assert os.times().user - before < 3  # 0.5 on an idle core; the machine of a test may be busy


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published points are not beside this repository")
def test_the_published_curves_are_fitted_and_their_collapsed_cells_named(monkeypatch, capsys, tmp_path):
    rows = pd.read_csv(PUBLISHED)
    rows = rows[(rows["figure_or_table"] == "Table 5") & rows["strategy"].str.startswith("SFT")]
    rows.to_csv(tmp_path / "sft.csv", index=False)
    options = ("--amount", "amount", "--value", "value_percent", "--percent", "--items", "n_test_items")
    arguments = ("fit", tmp_path / "sft.csv", *options, "--by", "strategy,model", "--json")
    _, out, _ = run(monkeypatch, capsys, *arguments)
    fits = json.loads(out)["fits"]
    assert len(fits) == 14
    assert all(5 < one["parameters"]["per_doubling"]["estimate"] < 11 for one in fits)
    collapsed = [
        one["group"]["model"] for one in fits if any("collapsed" in text for text in one["warnings"])
    ]
    zero = rows[rows["value_percent"] == 0]["model"].tolist()
    assert collapsed == zero
    assert zero


def test_both_levels_the_target_and_cross_checks_stand_beside_the_headline(monkeypatch, capsys, table):
    arguments = ("fit", table, *OPTIONS, "--by", "model", "--seed", "seed", "--items", "1000", "--json")
    _, out, _ = run(monkeypatch, capsys, *arguments)
    told = json.loads(out)
    assert told["target"] == "this benchmark"
    for one in told["fits"]:
        slope, levels = one["parameters"]["per_doubling"], one["levels"]["per_doubling"]
        assert levels["chain-level"] == [slope["low"], slope["high"]]
        assert levels["run-level"][0] < slope["estimate"] < levels["run-level"][1]
        assert one["cross_checks"]["quasi_binomial"]["estimate"] == pytest.approx(slope["estimate"], abs=0.3)


def test_the_margin_of_the_verdict_is_the_users(monkeypatch, capsys, table):
    arguments = ("fit", table, *OPTIONS, "--by", "model", "--seed", "seed", "--law", "auto", "--json")
    words = []
    for margin in ("0.01", "20"):
        _, out, _ = run(monkeypatch, capsys, *arguments, "--margin", margin)
        words.append({one["verdict"] for one in json.loads(out)["fits"]})
    assert words == [{"cannot tell"}, {"log-linear"}]


def test_a_margin_of_nothing_is_refused(monkeypatch, capsys, table):
    code, out, err = run(monkeypatch, capsys, "fit", table, *OPTIONS, "--law", "auto", "--margin", "0")
    assert (code, out) == (2, "")
    assert "--margin 0 is no margin above 0" in err


def test_the_reasons_of_a_verdict_are_told(monkeypatch, capsys, table):
    arguments = ("fit", table, *OPTIONS, "--by", "model", "--seed", "seed", "--law", "auto")
    code, out, _ = run(monkeypatch, capsys, *arguments)
    assert code == 0
    assert "small: cannot tell" in out
    assert "no break found (largest F" in out
    assert "would tell: " in out
