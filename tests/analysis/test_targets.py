import json

import numpy as np
import pandas as pd
import pytest

from analysis.provenance import provenance_of
from analysis.report import summarise
from analysis.results import results_of
from analysis.study import read_study
from analysis.words import answers
from tests.analysis.toy import ToyStudy


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The toy study with items behind its records: items differ in difficulty, the same ones everywhere."""
    outputs = tmp_path_factory.mktemp("outputs")
    folder = ToyStudy(benchmarks=("in",), models=("tiny",)).write(outputs)
    generator = np.random.default_rng(0)
    difficulty = {}
    for record in sorted((outputs / "artifacts" / "record").iterdir()):
        summary = json.loads((record / "manifest.json").read_text())["summary"]
        n = summary["n_items"]
        hard = difficulty.setdefault(n, generator.normal(size=n))
        easiest = np.argsort(hard + generator.normal(scale=0.7, size=n))[: summary["n_correct"]]
        correct = np.isin(np.arange(n), easiest)
        items = {"item_id": [f"i{i}" for i in range(n)], "cluster_id": [f"c{i // 2}" for i in range(n)]}
        pd.DataFrame({**items, "correct": correct}).to_parquet(record / "items.parquet")
    return folder


def test_slopes_and_differences_have_an_interval_for_each_target(study):
    found = results_of(read_study(study)).targets
    assert [(one.strategy, one.against, one.what) for one in found][-2:] == [
        ("queries", "responses", "average difference"),
        ("queries", "responses", "difference per doubling"),
    ]
    for one in found:
        assert one.problems_like_these.estimate == pytest.approx(one.this_benchmark.estimate)
        assert one.problems_like_these.standard_error >= one.this_benchmark.standard_error * 0.999
        assert (one.n_items, one.n_clusters) == (600, 300)


def test_the_variance_table_of_the_study_knows_the_share_of_items(study):
    found = results_of(read_study(study)).variances["in"]
    items = {one.name: one for one in found.components}["items"]
    assert 0 < items.share <= 1
    assert found.item_variance == pytest.approx(items.sd**2 * 600)


def test_both_targets_are_in_the_summary(study):
    results = results_of(read_study(study))
    told = summarise(results, provenance_of(results.study), answers(results))["targets"]
    assert {"this_benchmark", "problems_like_these"} < set(told[0])


def test_a_study_without_items_names_no_other_target(tmp_path):
    assert results_of(read_study(ToyStudy().write(tmp_path))).targets == ()
