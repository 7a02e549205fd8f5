import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest

from analysis.provenance import provenance_of
from analysis.report import report, summarise
from analysis.results import results_of
from analysis.study import read_study
from analysis.tables import tables_of
from analysis.words import answers
from orchestrator.refusal import Refused
from tests.analysis.toy import PROVENANCE, ToyStudy, line

pytestmark = pytest.mark.slow

FILES = {"index.html", "results.csv", "results.parquet", "summary.json", "figures", "tables"}
FIGURES = ("scaling", "slopes", "residuals", "holdout", "bars", "domains", "equivalence", "components")
# One is enough where a test is not about figures.
SVG = ("svg",)
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return report(ToyStudy().write(tmp_path_factory.mktemp("outputs")), SVG)


def summary_of(study, outputs):
    """What the report would say, without drawing it."""
    results = results_of(read_study(study.write(outputs)))
    return summarise(results, provenance_of(results.study), answers(results))


def read(written):
    return written.page.read_text(encoding="utf-8")


def test_every_file_is_there_and_nothing_half_written(written):
    folder = written.page.parent
    assert {path.name for path in folder.iterdir()} == FILES
    widths = ("single", "double")
    drawn = {f"{name}-{width}.svg" for name in FIGURES for width in widths}
    assert {path.name for path in (folder / "figures").iterdir()} == drawn
    tables = {path.stem for path in (folder / "tables").iterdir()}
    assert tables >= {"fits", "accuracy-1", "comparisons", "transfers", "grading", "methods", "checklist"}
    assert {path.suffix for path in (folder / "tables").iterdir()} == {".tex", ".md"}


def test_what_pools_lost_is_told_by_operation_and_reason(written):
    yields = (written.page.parent / "tables/yields.md").read_text()
    assert re.search(r"queries +\| numbers +\| +\| +8,209 \| 8,195 \| +disagreement 9, no answer 5", yields)
    assert re.search(r"queries +\| all +\| +\| +\| 8,192 \| +duplicate 3 ", yields)
    mixtures = (written.page.parent / "tables/mixtures.md").read_text()
    assert re.search(r"queries +\| other +\| +33.3% \| 2,192 \| +400 \| +8 ", mixtures)
    assert "Parts of mixtures" in read(written)


def test_planted_slopes_come_back_with_intervals_and_levels(written):
    fits = {(one["group"]["benchmark"], one["group"]["strategy"]): one for one in written.summary["fits"]}
    assert list(fits)[:3] == [("in", "queries"), ("in", "responses"), ("in", "numbers")]
    for (benchmark, strategy), planted in {
        ("in", "queries"): 10,
        ("in", "numbers"): 6,
        ("out", "queries"): 2,
    }.items():
        slope = fits[benchmark, strategy]["parameters"]["per_doubling"]
        assert slope["low"] < slope["estimate"] < slope["high"]
        assert slope["estimate"] == pytest.approx(planted, abs=0.5)
        assert fits[benchmark, strategy]["interval"]["per_doubling"] == "chain-level"


def test_the_three_questions_are_answered_with_intervals(written):
    which, growth, carried = written.answers
    assert which.text.startswith("At equal amounts queries is ahead of responses: the difference is")
    assert "at 2,048; paired over 3 chains" in which.text
    assert growth.text.startswith("In points per doubling, with 95 % intervals: queries ")
    assert carried.text.startswith("Yes, by less than in domain: queries")
    assert re.search(
        r"Accuracy on out: base 36\.0; queries 3\d\.\d at 128 to 4\d\.\d at 2,048;", carried.text
    )
    for answer in written.answers:
        assert re.search(r"\(.*\d to .*\d\)", answer.text)
    words = [one["verdict"]["word"] for one in written.summary["fits"] if one["group"]["benchmark"] == "in"]
    assert words == ["cannot tell"] * 3
    assert "Log-linear? cannot tell: queries, responses and numbers." in growth.text


def test_references_are_lines_not_points(written):
    values = {(one["benchmark"], one["reference"]): one["value"] for one in written.summary["references"]}
    assert values == {
        ("in", "base"): 12.0,
        ("in", "seed"): 34.0,
        ("out", "base"): 36.0,
        ("out", "seed"): 38.0,
    }
    assert all(one["n_points"] == 15 for one in written.summary["fits"])


def test_the_page_loads_nothing_from_anywhere(written):
    page = read(written)
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert page.count("<script") == 1
    assert "<script src" not in page
    assert "default-src 'none'" in page
    assert "<link" not in page
    assert "@import" not in page


def test_the_table_in_the_page_is_the_table_on_disk(written):
    text = (written.page.parent / "results.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 94
    assert rows[-1]["record"] in text
    frame = pd.read_parquet(written.page.parent / "results.parquet")
    assert frame["n_correct"].tolist() == [int(row["n_correct"]) for row in rows]
    assert "data:text/csv;charset=utf-8;base64," in read(written)


def test_every_mean_fit_and_run_leads_to_records_that_the_page_lists(written):
    page = read(written)
    places = set(re.findall(r'id="((?:mean|record)-[0-9a-f]+)"', page))
    links = re.findall(r'href="#((?:mean|record)-[0-9a-f]+)"', page)
    assert set(links) <= places
    in_tables = [link for link in links if link.startswith("mean-")]
    assert len(in_tables) == 6 + 30 + 4  # fits, means, references
    runs = [link for link in links if link.startswith("record-")]
    assert len(set(runs)) == 90  # every run, in the chart for wide screens and in that for narrow ones
    assert len(runs) == 180
    keys = set(pd.read_csv(written.page.parent / "results.csv")["record"])
    assert {place.removeprefix("record-") for place in places if place.startswith("record-")} == keys
    assert all(f"../../../artifacts/record/{key}/" in page for key in keys)


def test_the_same_study_gives_the_same_bytes(written, tmp_path):
    again = report(ToyStudy().write(tmp_path), SVG).page.parent
    names = [path.relative_to(again) for path in again.rglob("*") if path.is_file()]
    assert len(names) > 20
    for name in names:
        assert (again / name).read_bytes() == (written.page.parent / name).read_bytes(), name


def test_missing_cells_are_listed_and_never_zero(tmp_path):
    study = ToyStudy(missing=lambda axes: axes["amount"] == 512 and axes["subset_seed"] == 1)
    written = report(study.write(tmp_path), SVG)
    assert written.summary["n_missing"] == 6
    assert "6 results without a record" in read(written)
    assert "6 of 94 results are missing" in written.summary["notes"][0]
    rows = pd.read_csv(written.page.parent / "results.csv")
    missing = rows[rows["state"] == "missing"]
    assert missing[["n_correct", "accuracy", "nll_per_token"]].isna().all().all()
    assert all(one["n_points"] == 14 for one in written.summary["fits"])


def test_a_study_without_records_says_so(tmp_path):
    written = report(ToyStudy(missing=lambda axes: True).write(tmp_path), SVG)
    assert [answer.question for answer in written.answers] == ["Nothing yet."]
    assert written.summary["fits"] == []
    assert "No cell of this study has a record" in read(written)


def test_one_strategy_one_benchmark_one_seed_is_a_report_too(tmp_path):
    study = ToyStudy(strategies=("queries",), benchmarks=("in",), seeds=(0,), compare=(), references={})
    which, growth, carried = summary_of(study, tmp_path)["answers"]
    assert which.endswith("? The study names no two strategies to set against each other.")
    assert "(subset luck not included): queries " in growth
    assert carried.endswith("? The study has no records both in and out of its domain.")


def test_one_amount_is_a_report_whose_fits_say_too_few_amounts(tmp_path):
    summary = summary_of(ToyStudy(amounts=(256,)), tmp_path)
    assert {one["status"] for one in summary["fits"]} == {"too few amounts"}
    assert "queries unknown (too few amounts)" in summary["answers"][1]
    assert "the difference is" in summary["answers"][0]


def test_the_likelihood_is_fitted_where_the_study_asks_for_it(tmp_path):
    study = ToyStudy(metric="nll")
    summary = summary_of(study, tmp_path)
    slope = summary["fits"][0]["parameters"]["per_doubling"]
    assert slope["low"] < -0.09 < slope["high"]  # nats per token and doubling, planted
    assert summary["unit"] == "nats per token"
    assert "queries is ahead of responses" in summary["answers"][0]  # lower is better
    assert "Yes, by less than in domain" in summary["answers"][2]
    results = results_of(read_study(tmp_path / "studies" / study.name))
    names = {table.name for table in tables_of(results, provenance_of(results.study))}
    assert {"nll-1", "accuracy-1"} <= names


def test_several_models_have_curves_and_comparisons_of_their_own(tmp_path):
    summary = summary_of(ToyStudy(models=("small", "large")), tmp_path)
    assert len(summary["fits"]) == 12
    assert "For small, at equal amounts queries" in summary["answers"][0]
    assert "queries (large)" in summary["answers"][1]


def test_references_made_outside_every_setting_are_lines_in_each_panel(tmp_path):
    study = ToyStudy(
        strategies=("queries",), seeds=(0, 1), axes=lambda strategy, seed: {"betas": [0.9, seed]}
    )
    results = results_of(read_study(study.write(tmp_path)))
    assert results.study.settings == ("betas",)
    assert [setting["betas"] for setting in results.settings()] == ["[0.9,0]", "[0.9,1]"]
    for setting in results.settings():
        assert [line.name for line in results.lines_at("in", setting)] == ["base", "seed"]


def test_a_study_of_references_alone_is_a_report_too(tmp_path):
    written = report(ToyStudy(strategies=("queries",), amounts=()).write(tmp_path), SVG)
    assert written.answers[0].question == "Nothing yet."
    assert len(written.summary["references"]) == 4


def test_lack_of_fit_is_said_in_the_answer(tmp_path):
    def bent(strategy, benchmark, amount):
        plateau = 0.06 * max(np.log2(amount / 512), 0)
        return line(strategy, benchmark, amount) - (plateau if strategy == "responses" else 0)

    growth = summary_of(ToyStudy(accuracy=bent, run_sd=0.008), tmp_path)["answers"][1]
    assert (
        "The means of responses depart from its line by more than the runs scatter (lack of fit, p " in growth
    )
    assert "an average over these amounts, not a law" in growth


def test_strategies_that_do_not_differ_are_not_ranked(tmp_path):
    study = ToyStudy(accuracy=lambda strategy, benchmark, amount: line("same", benchmark, amount))
    assert "cannot be told apart on average from" in summary_of(study, tmp_path)["answers"][0]


def test_a_collapsed_run_is_named_and_kept(tmp_path):
    collapsed = iter([-1.0])

    def once(strategy, benchmark, amount):
        fallen = (strategy, benchmark, amount) == ("numbers", "in", 1024)
        return next(collapsed, 0.38) if fallen else line(strategy, benchmark, amount)

    numbers = summary_of(ToyStudy(accuracy=once), tmp_path)["fits"][2]
    sentence = "collapsed to 0.0 at amount 1,024 while its neighbours did not: amount 1024, seed 0"
    assert sentence in numbers["warnings"]
    assert numbers["n_points"] == 15


def test_chains_that_share_a_subset_are_said_to_understate_subset_luck(tmp_path):
    study = ToyStudy(subset_seed=lambda seed: 0)
    assert "all chains share one subset seed: " in " ".join(summary_of(study, tmp_path)["notes"])


def test_mixed_code_and_software_are_flagged_and_hosts_are_not(tmp_path):
    def mixed(number):
        return {**PROVENANCE, "code": f"digest{number % 2}", "host": f"node{number % 2}"}

    mixtures = summary_of(ToyStudy(provenance=mixed), tmp_path)["mixed"]
    assert "code" in mixtures
    assert "host" not in mixtures


def test_whatever_was_typed_is_escaped(tmp_path):
    names = {"strategies": ("queries", "$x$_" + HOSTILE), "models": (HOSTILE, "_m$")}
    hostile = ToyStudy(
        **names, amounts=(128, 256), by_construction=HOSTILE, provenance=lambda number: {"commit": HOSTILE}
    )
    page = read(report(hostile.write(tmp_path), SVG))
    assert HOSTILE not in page
    assert page.count("<script") == 1  # ours
    assert page.count("&lt;script&gt;") > 10


def test_names_in_a_script_the_font_lacks_do_not_stop_the_report(tmp_path):
    written = report(
        ToyStudy(strategies=("数学", "responses"), compare=("数学", "responses")).write(tmp_path)
    )
    assert "数学" in read(written)


def test_more_strategies_than_colours_are_still_drawn(tmp_path):
    written = report(ToyStudy(strategies=[f"s{i}" for i in range(8)], compare=()).write(tmp_path), SVG)
    assert len(written.summary["fits"]) == 16


def test_a_plan_that_cannot_be_read_is_refused(tmp_path):
    folder = ToyStudy().write(tmp_path)
    (folder / "plans" / "2.json").write_text("{")
    with pytest.raises(Refused, match="cannot be read"):
        report(folder)
    (folder / "plans" / "2.json").write_text(json.dumps({"cells": []}))
    with pytest.raises(Refused, match=r"is not as docs/records\.md has it"):
        report(folder)
