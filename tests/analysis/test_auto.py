import json
import sys

import numpy as np
import pandas as pd
import pytest

from analysis.__main__ import main

OPTIONS = ("--amount", "n", "--value", "y")
ALTERNATIVE, PREDICTION = ["law", "holdout_error", "aicc"], ["amount", "estimate", "low", "high"]


@pytest.fixture
def fit(monkeypatch, capsys, tmp_path):
    """`fit(rows, *options)`: exit code, stdout and stderr of `doublings fit` on these rows."""

    def run(rows, *options):
        pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
        words = ["doublings", "fit", str(tmp_path / "runs.csv"), *OPTIONS, *options]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


def rows(groups=1, amounts=6, seeds=3, *, loss=False, sd=0.01):
    generator = np.random.default_rng(0)
    return [
        {"g": g, "n": n, "seed": seed, "y": (0.7 + 5 * n**-0.3 if loss else 0.8 - 1.5 * n**-0.35) + noise}
        for g in range(groups)
        for n in (2 ** np.arange(7, 7 + amounts)).tolist()
        for seed, noise in enumerate(generator.normal(scale=sd, size=seeds).tolist())
    ]


def fits(answer):
    code, out, err = answer
    assert code == 0, err
    return json.loads(out)["fits"]


def test_auto_adds_what_the_contract_names(fit):
    found = fits(
        fit(rows(2), "--by", "g", "--seed", "seed", "--law", "auto", "--predict", "16384,300.5", "--json")
    )
    assert len(found) == 2
    for one in found:
        assert one["law"] in [row["law"] for row in one["alternatives"]]
        assert one["verdict"] in ("log-linear", "segmented", "saturating", "not log-linear", "cannot tell")
        assert one["holdout_error"] > 0
        assert all(list(row) == ALTERNATIVE for row in one["alternatives"])
        assert {"last", "loglinear", "power", "mmf4", "rectified"} <= {
            row["law"] for row in one["alternatives"]
        }
        assert all(list(row) == PREDICTION for row in one["predictions"])
        assert [row["amount"] for row in one["predictions"]] == [16384, 300.5]
        assert all(row["low"] < row["estimate"] < row["high"] for row in one["predictions"])
        assert one["predictions"][0]["estimate"] == pytest.approx(100 * (0.8 - 1.5 * 16384**-0.35), abs=4)
        assert one["unit"] == "points"
        assert one["reasons"]


def test_losses_are_forecast_in_their_own_unit(fit):
    found = fits(
        fit(rows(loss=True, sd=0.005), "--law", "auto", "--metric", "loss", "--predict", "32768", "--json")
    )[0]
    assert found["predictions"][0]["estimate"] == pytest.approx(0.7 + 5 * 32768**-0.3, rel=0.03)
    assert found["unit"] == "loss"


def test_percent_gives_the_same_forecast_as_fractions(fit):
    options = ("--law", "auto", "--predict", "1e4", "--json")
    percent = [{**row, "y": row["y"] * 100} for row in rows()]
    one, other = fits(fit(rows(), *options))[0], fits(fit(percent, *options, "--percent"))[0]
    assert one["predictions"][0]["estimate"] == pytest.approx(other["predictions"][0]["estimate"])
    assert one["law"] == other["law"]


@pytest.mark.slow
def test_shuffled_rows_give_the_same_fits(fit):
    options = ("--by", "g", "--law", "auto", "--predict", "1e4", "--json")
    table = rows(3)
    order = np.random.default_rng(1).permutation(len(table))
    one = {str(each["group"]): each for each in fits(fit(table, *options))}
    other = {str(each["group"]): each for each in fits(fit([table[i] for i in order], *options))}
    assert one == other


@pytest.mark.parametrize("amounts", [1, 2, 3, 4])
@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_few_amounts_and_one_seed_give_numbers_and_say_what_they_lack(fit, amounts, metric):
    table = rows(amounts=amounts, seeds=1, loss=metric == "loss")
    found = fits(fit(table, "--law", "auto", "--metric", metric, "--predict", "1e3,1e6", "--json"))[0]
    assert found["verdict"] == "cannot tell"
    assert all(np.isfinite(row["estimate"]) for row in found["predictions"])
    assert any("single run per amount" in text for text in found["warnings"])
    assert (found["holdout_error"] is None) == (amounts < 3)


def test_two_amounts_are_forecast_halfway_between_the_line_and_the_last_value(fit):
    runs = [{"n": n, "y": y} for n, y in ((100, 0.5), (200, 0.6))]
    one = fits(fit(runs, "--law", "auto", "--predict", "400,150", "--json"))[0]
    ahead, between = one["predictions"]
    assert ahead["estimate"] == pytest.approx(65)
    assert ahead["low"] < 60 < 70 < ahead["high"]
    assert between["estimate"] == pytest.approx(50 + 10 * np.log2(1.5))
    assert between["low"] is between["high"] is None


def test_one_amount_has_an_interval_there_alone_and_none_leaves_the_metric(fit):
    runs = [{"n": 100, "y": y} for y in (0.5, 0.9)]
    there, elsewhere = fits(fit(runs, "--law", "auto", "--predict", "100,200", "--json"))[0]["predictions"]
    assert [there["low"], there["high"]] == [0, 100]
    assert elsewhere["estimate"] == pytest.approx(70)
    assert elsewhere["low"] is elsewhere["high"] is None


def test_intervals_of_a_line_stay_within_the_metric(fit):
    one = fits(fit(rows(), "--law", "loglinear", "--predict", "1e7,1", "--json"))[0]
    assert all(0 <= row["low"] <= row["estimate"] <= row["high"] <= 100 for row in one["predictions"])


def test_far_forecasts_and_rivals_are_flagged(fit):
    found = fits(fit(rows(sd=0.03), "--law", "auto", "--predict", "16384,17000", "--json"))[0]
    far = [text for text in found["warnings"] if "beyond 4 times" in text]
    assert len(far) == 1
    assert far[0].startswith("17,000 is 4.15 times the largest amount (4,096)")
    assert any(text.startswith("cannot distinguish ") for text in found["warnings"])


def test_runs_without_data_are_left_out_of_the_choice_and_named(fit):
    with_zero = [*rows(), {"g": 0, "n": 0, "seed": 0, "y": 0.02}]
    options = ("--law", "auto", "--predict", "1e4", "--json")
    one, other = fits(fit(rows(), *options))[0], fits(fit(with_zero, *options))[0]
    assert one["predictions"] == other["predictions"]
    assert any(
        text.startswith("1 run without fine-tuning data (amount 0) left out") for text in other["warnings"]
    )
    offset = fits(fit(with_zero, "--law", "logoffset", "--json"))[0]
    assert offset["n_points"] == 19


def test_a_given_law_forecasts_alone_and_says_how_its_search_ended(fit):
    found = fits(fit(rows(), "--law", "power", "--seed", "seed", "--predict", "8192", "--json"))[0]
    assert found["law"] == "power"
    assert "verdict" not in found
    assert list(found["parameters"]) == ["asymptote", "amplitude", "exponent"]
    assert found["search"]["agreeing"] >= 2
    value = found["parameters"]
    wanted = (
        value["asymptote"]["estimate"]
        + value["amplitude"]["estimate"] * 8192 ** -value["exponent"]["estimate"]
    )
    assert found["predictions"][0]["estimate"] == pytest.approx(wanted)


def test_the_amount_for_an_accuracy_is_asked_for_as_the_table_writes_accuracies(fit):
    found = fits(fit(rows(sd=0.002), "--law", "auto", "--reach", "0.70", "--json"))[0]
    assert found["reach"]["value"] == pytest.approx(70)
    assert found["reach"]["amount"] == pytest.approx((1.5 / 0.1) ** (1 / 0.35), rel=0.2)
    assert found["reach"]["low"] < found["reach"]["amount"]


def test_the_bootstrap_replaces_the_intervals_of_parameters(fit):
    options = ("--law", "power", "--json")
    profiled, drawn = fits(fit(rows(), *options))[0], fits(fit(rows(), *options, "--bootstrap", "200"))[0]
    assert (profiled["intervals"], drawn["intervals"]) == ("profile", "bootstrap")
    one, other = (found["parameters"]["exponent"] for found in (profiled, drawn))
    assert one["estimate"] == other["estimate"]
    assert one["low"] != other["low"]


@pytest.mark.slow
def test_without_json_there_is_a_table_of_laws_and_forecasts(fit):
    code, out, _ = fit(rows(2), "--by", "g", "--law", "auto", "--predict", "8192", "--reach", "0.7")
    assert code == 0
    assert "at 8,192" in out
    assert "amount for 70" in out
    code, out, _ = fit(rows(2), "--by", "g", "--law", "mmf4")
    assert code == 0
    assert "ceiling" in out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--law", "auto", "--metric", "f1"), "no metric 'f1': there is accuracy, loss"),
        (("--law", "auto", "--predict", "10,-2"), "--predict '-2' is no amount above 0"),
        (("--law", "auto", "--predict", "many"), "--predict 'many' is no amount above 0"),
        (("--law", "auto", "--predict", "1e308"), "--predict '1e308' is more data than there is"),
        (("--law", "auto", "--predict", "nan"), "--predict 'nan' is no amount above 0"),
        (("--law", "auto", "--reach", "70"), "--reach 70 is no accuracy above 0 and up to 1"),
        (("--metric", "loss", "--percent"), "--percent is for accuracies"),
        (("--metric", "loss", "--items", "100"), "--items counts the answers behind an accuracy"),
        (("--metric", "loss", "--law", "logit"), "--law logit is for accuracies"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(fit, options, sentence):
    code, out, err = fit(rows(), *options, "--json")
    assert (code, out) == (2, "")
    assert err.startswith(sentence)


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        ({"y": 47.0}, (), "row 3: y is 47, not an accuracy from 0 to 1; correct the row"),
        ({"y": None}, (), "row 3: y is empty"),
        ({"y": "n/a"}, (), "row 3: y is 'n/a', not a finite number"),
        ({"n": -5}, (), "row 3: n is -5, less than no data at all"),
        ({"y": 0.0}, ("--metric", "loss"), "row 3: y is 0; a loss has to be above 0 for this law"),
    ],
)
def test_bad_rows_are_refused_by_auto_too(fit, change, options, sentence):
    table = rows()
    table[2] = {**table[2], **change}
    code, out, err = fit(table, "--law", "auto", *options, "--json")
    assert (code, out) == (2, "")
    assert err.startswith(sentence)


def test_amount_zero_is_refused_by_a_law_without_a_value_there(fit):
    code, _, err = fit([*rows(), {"g": 0, "n": 0, "seed": 0, "y": 0.02}], "--law", "power")
    assert code == 2
    assert "which has no logarithm" in err


def test_too_few_amounts_for_the_law_given_are_refused(fit):
    code, _, err = fit(rows(amounts=3), "--law", "mmf4")
    assert (code, err) == (2, "column 'n' has fewer than 4 amounts: mmf4 takes at least that many\n")


def test_a_group_with_too_few_amounts_says_so_beside_the_others(fit):
    table = [*rows(), *({"g": 1, "n": n, "seed": 0, "y": 0.3} for n in (128, 256))]
    first, second = fits(fit(table, "--by", "g", "--law", "power", "--predict", "1e4", "--json"))
    assert first["predictions"][0]["estimate"] is not None
    assert second["status"] == "too few amounts"
    assert second["predictions"] == [{"amount": 1e4, "estimate": 30, "low": None, "high": None}]
    assert any(
        text.endswith("the forecast is the mean of the runs, whatever the amount")
        for text in second["warnings"]
    )
    assert "verdict" not in second


def test_a_group_without_fine_tuning_has_all_keys_and_its_mean_as_forecast(fit):
    table = [*rows(), *({"g": 1, "n": 0, "seed": seed, "y": 0.3 + 0.02 * seed} for seed in (0, 1))]
    options = ("--by", "g", "--law", "auto", "--predict", "1e4", "--reach", "0.5", "--json")
    first, second = fits(fit(table, *options))
    assert first.keys() - second.keys() <= {"intervals", "search"}
    assert second["verdict"] == "cannot tell"
    assert second["reasons"] == ["all runs are without fine-tuning data (amount 0): there is no curve"]
    assert (second["last_amounts"], second["alternatives"], second["holdout_error"]) == (None, [], None)
    assert second["predictions"] == [
        {"amount": 1e4, "estimate": pytest.approx(31), "low": None, "high": None}
    ]
    assert second["reach"] == {"value": 50, "amount": None, "low": None, "high": None}
    assert any(text.startswith("too few amounts above 0") for text in second["warnings"])
    code, out, _ = fit(table, *options[:-1])
    assert (code, "31.0" in out) == (0, True)


def test_a_law_that_amount_zero_carries_forecasts_as_fitted(fit):
    table = [{"n": n, "y": y} for n, y in ((0, 0.1), (64, 0.3), (128, 0.4))]
    found = fits(fit(table, "--law", "logoffset", "--predict", "64,256", "--json"))[0]
    assert found["status"] != "too few amounts"
    assert found["predictions"][0]["estimate"] == pytest.approx(30, abs=0.1)
    assert found["predictions"][1]["estimate"] > 40


@pytest.mark.slow
def test_ten_thousand_rows_of_hundreds_of_groups_are_fitted_within_a_minute(fit):
    table = rows(groups=280, seeds=6)
    assert len(table) > 10_000
    found = fits(fit(table, "--by", "g", "--seed", "seed", "--law", "auto", "--predict", "1e4", "--json"))
    assert len(found) == 280
