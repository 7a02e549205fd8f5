"""What is near is called near: distances between queries, and their table for a study."""

import csv
import json
from pathlib import Path
from random import Random

import numpy as np
import pytest

from analysis.distribution import find_distribution, read_distribution
from experiments import distribution
from experiments.distances import Words, distance, places
from orchestrator.refusal import Refused
from tests.experiments.test_verify import Study

FRUIT = ("apples", "pears", "plums", "figs", "grapes", "cherries")
SHAPES = ("triangle", "circle", "polygon", "sphere", "prism", "cone")


def shop(n_texts: int, seed: int) -> list[str]:
    random = Random(seed)
    return [
        f"Somebody buys {random.randint(2, 99)} {random.choice(FRUIT)} and {random.choice(FRUIT)} at the "
        f"{random.choice(['market', 'shop', 'farm'])}. How many {random.choice(['are left', 'fit', 'rot'])}?"
        for _ in range(n_texts)
    ]


def geometry(n_texts: int, seed: int) -> list[str]:
    random = Random(seed)
    return [
        f"Find the {random.choice(['area', 'volume', 'radius'])} of a {random.choice(SHAPES)} inscribed in a "
        f"{random.choice(SHAPES)}."
        for _ in range(n_texts)
    ]


@pytest.mark.slow
def test_texts_of_one_kind_cannot_be_told_apart_and_those_of_two_can() -> None:
    pool, near, far = shop(200, 0), shop(150, 1), geometry(150, 2)
    features = Words([*pool, *near, *far])
    close, remote = distance(features, pool, near), distance(features, pool, far)
    assert (close.n_pool, close.n_benchmark) == (200, 150)
    assert close.coverage > 0.8 > 0.2 > remote.coverage
    assert close.mmd < 0.02 < 0.2 < remote.mmd
    assert close.mmd_p > 0.02
    assert remote.mmd_p == pytest.approx(1 / 501)
    assert 0.35 < close.auc < 0.65
    assert remote.auc == pytest.approx(1.0)


@pytest.mark.slow
def test_more_of_a_pool_never_covers_less() -> None:
    pool, benchmark = shop(120, 0), shop(60, 1)
    features = Words([*pool, *benchmark])
    covered = [distance(features, pool[:amount], benchmark).coverage for amount in (10, 30, 120)]
    assert covered == sorted(covered)
    assert distance(features, benchmark, benchmark).coverage == pytest.approx(1.0)


def test_the_discrepancy_is_the_unbiased_one_of_its_formula() -> None:
    pool, benchmark = shop(12, 0), geometry(9, 1)
    features = Words([*pool, *benchmark])
    one, other = features.topics(pool), features.topics(benchmark)
    both = np.concatenate([one, other])
    gaps = [np.sum((both[i] - both[j]) ** 2) for i in range(len(both)) for j in range(i)]

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.exp(-np.sum((x - y) ** 2) / np.median(gaps)))

    def mean_within(rows: np.ndarray) -> float:
        return float(
            np.mean([kernel(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j])
        )

    across = np.mean([kernel(x, y) for x in one for y in other])
    expected = mean_within(one) + mean_within(other) - 2 * across
    assert distance(features, pool, benchmark).mmd == pytest.approx(expected)


@pytest.mark.parametrize("by_neighbours", [False, True])
def test_kinds_lie_apart_in_the_plane(*, by_neighbours: bool) -> None:
    texts = [*shop(40, 0), *geometry(40, 1)]
    points = places(Words(texts), texts, by_neighbours=by_neighbours)
    centres = points[:40].mean(axis=0), points[40:].mean(axis=0)
    spread = max(points[:40].std(), points[40:].std())
    assert np.linalg.norm(centres[0] - centres[1]) > spread


@pytest.mark.slow
def test_a_study_gets_its_tables_and_the_report_can_read_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = Study(tmp_path)
    folder = tmp_path / "studies/toy"
    (folder / "plans").mkdir(parents=True)
    plan = study.plan.rename(folder / "plans/1.json")
    assert distribution.run(plan, tmp_path, "json", "pca") == 0
    told = json.loads(capsys.readouterr().out)
    with (folder / "distances.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(told["distances"]) == len(rows) == 2 * 3 * 2
    assert [row["amount"] for row in rows[:3]] == ["4", "4", "8"]
    assert {row["accuracy"] for row in rows} == {""}
    assert told["correlation_with_accuracy"] == {"test": None}
    found = find_distribution(folder)
    assert found is not None
    assert set(read_distribution(found)["pool"].dropna()) == {"numbers", "responses"}
    assert distribution.run(plan, tmp_path, "text", "pca") == 0


def test_a_study_without_pools_is_refused(tmp_path: Path) -> None:
    study = Study(tmp_path)
    (tmp_path / "artifacts/pool").rename(tmp_path / "artifacts/gone")
    with pytest.raises(Refused, match=r"no pool of .* is made yet"):
        distribution.run(study.plan, tmp_path, "text", "pca")
