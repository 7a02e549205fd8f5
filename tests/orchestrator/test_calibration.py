"""Predicted times follow what was measured here, of others; where nothing was, what is declared."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.calibration import Measured, calibrated, measured, pace_of
from orchestrator.identity import Kind
from orchestrator.pace import declared, task
from orchestrator.study import artifacts_of
from tests.orchestrator.kept import AMOUNTS, a_study, made, planned
from tests.tiny import CLUSTER, SLURM


def runs(kind: Kind, overhead: float, rate: float, flops: list[float]) -> list[Measured]:
    return [Measured(kind, task(kind, {}, one), one, overhead + one / rate) for one in flops]


@given(st.floats(0.01, 20.0), st.floats(1e8, 1e14), st.floats(1.0, 1e3))
def test_a_line_is_recovered_and_foretells_amounts_that_nobody_made(
    overhead: float, rate: float, size: float
) -> None:
    flops = [size * 1e9 * times for times in (1, 2, 4, 8)] * 2
    pace = calibrated(runs("checkpoint", overhead, rate, flops), 4e10)
    further = 1e9 * size * 64
    assert pace.seconds("checkpoint", {}, further) == pytest.approx(overhead + further / rate, rel=1e-3)


@given(st.integers(0, 7), st.floats(2.0, 100.0))
def test_a_run_that_waited_for_others_changes_little(which: int, times: float) -> None:
    some = runs("checkpoint", 0.3, 2e10, [1e11, 2e11, 4e11, 8e11] * 2)
    slow = some[which]
    some[which] = Measured(slow.kind, slow.task, slow.flops, slow.seconds * times)
    pace = calibrated(some, 4e10)
    assert pace.seconds("checkpoint", {}, 1.6e12) == pytest.approx(80.3, rel=0.25)


def test_with_a_handful_of_runs_what_is_declared_is_scaled() -> None:
    pace = calibrated(runs("checkpoint", 0.4, 2e10, [1e12]), 4e10)
    assert pace.seconds("checkpoint", {}, 1e12) == pytest.approx(50.4)
    assert pace.seconds("checkpoint", {}, 2e12) == pytest.approx(100.4, rel=0.01)
    assert pace.seconds("base", {}, 1e12) == declared(4e10).seconds("base", {}, 1e12), (
        "nothing is known of it"
    )


def test_times_that_do_not_grow_with_the_arithmetic_stay_finite() -> None:
    pace = calibrated(runs("pool", 1.5, 1e30, [0.0] * 6) + runs("record", 0.1, 1e30, [1e9, 1e12] * 3), 4e10)
    assert pace.seconds("pool", {}, 0.0) == pytest.approx(1.5)
    assert pace.seconds("record", {}, 1e12) == pytest.approx(0.1)
    assert type(pace).model_validate_json(pace.model_dump_json()) == pace


def test_the_same_benchmark_takes_other_weights_as_long() -> None:
    asked = {"benchmark": "long answers"}
    some = [Measured("completions", task("completions", asked, 1e10), 1e10, seconds) for seconds in (3, 9, 4)]
    pace = calibrated(some, 4e10)
    assert pace.seconds("completions", asked, 1e10) == 4.0
    assert 4.0 < pace.seconds("completions", {"benchmark": "another"}, 2e10) < 8.0


def finished(outputs: Path, **provenance: Any) -> dict[str, Any]:
    """A study whose checkpoints took a second for each GFLOP, says each manifest."""
    document = a_study("one")
    for place, artifact in enumerate(document["artifacts"].values()):
        artifact["cost"] = {"flops": 1e9 * (1 + place)}
    made(outputs, planned(outputs, document))
    told = {"host": socket.gethostname(), "job": None, "cluster": "local", **provenance}
    for key, artifact in document["artifacts"].items():
        path = outputs / "artifacts" / artifact["kind"] / key / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["provenance"] = {**told, "seconds": artifact["cost"]["flops"] / 1e9}
        path.write_text(json.dumps(manifest))
    return document


def test_what_was_made_here_is_learnt_from_and_predicts_a_plan(tmp_path: Path) -> None:
    document = finished(tmp_path)
    pace = pace_of(tmp_path, CLUSTER)
    assert pace.n_measured == len(document["artifacts"]) == 2 + 3 * len(AMOUNTS)
    seconds = pace.predicted(artifacts_of(document), document["artifacts"])
    for key, artifact in document["artifacts"].items():
        assert seconds[key] == pytest.approx(artifact["cost"]["flops"] / 1e9, rel=0.35), artifact["kind"]


def test_what_other_machines_and_clusters_made_says_nothing(tmp_path: Path) -> None:
    finished(tmp_path, host="elsewhere")
    assert measured(tmp_path, CLUSTER) == []
    assert measured(tmp_path, SLURM) == []
    assert pace_of(tmp_path, CLUSTER) == calibrated([], CLUSTER.flops_per_second)


def test_jobs_of_a_cluster_count_for_that_cluster_wherever_they_ran(tmp_path: Path) -> None:
    document = finished(tmp_path, host="node7", job="12_3", cluster="slurm")
    assert len(measured(tmp_path, SLURM)) == len(document["artifacts"])
    assert measured(tmp_path, CLUSTER) == []


def test_who_declares_times_gets_those(tmp_path: Path) -> None:
    finished(tmp_path)
    cluster = CLUSTER.model_copy(update={"calibrate": False})
    assert pace_of(tmp_path, cluster).seconds("checkpoint", {}, 5e9) == 0.2 + 5.0
