"""The whole way on a tiny study, with real stages, and everything killed at bad moments."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.killing import hear_ctrl_c, kill, wait_for_a_lease
from tests.outcome import made, manifests, records, sha256
from tests.tiny import AXES, ROOT, command, doublings, environment, run_to_its_end

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny study that nobody disturbed."""
    tmp_path = tmp_path_factory.mktemp("finished")
    ran = doublings(tmp_path, "run", *AXES)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return tmp_path


@pytest.fixture
def to_go_on_from(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished study, for tests that add to it."""
    shutil.copytree(finished / "outputs", tmp_path / "outputs")
    return tmp_path


def test_a_study_goes_from_its_declaration_to_a_report(finished: Path) -> None:
    study = finished / "outputs" / "studies" / "tiny"
    assert (study / "report" / "index.html").exists()
    assert "complete" in (study / "cells.csv").read_text()
    kinds = [manifest["kind"] for manifest in manifests(finished / "outputs").values()]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "pool": 2,
        "base": 1,
        "checkpoint": 12,
        "completions": 24,
        "record": 24,
    }


def test_a_second_run_submits_nothing(finished: Path) -> None:
    jobs = finished / "outputs" / "studies" / "tiny" / "jobs"
    before = sorted(jobs.iterdir())
    ran = doublings(finished, "run", *AXES)
    assert ran.returncode == 0
    assert "nothing to make" in ran.stdout
    assert sorted(jobs.iterdir()) == before


def test_the_same_study_from_nothing_gives_the_same_records(finished: Path, tmp_path: Path) -> None:
    ran = doublings(tmp_path, "run", *AXES, "cluster.workers=1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert records(tmp_path / "outputs") == records(finished / "outputs")


def test_a_new_seed_amount_or_benchmark_runs_only_what_is_new(finished: Path, tmp_path: Path) -> None:
    def planned(*overrides: str) -> dict[str, list[str]]:
        ran = doublings(finished, "plan", "format=json", *overrides)
        assert ran.returncode == 0, ran.stderr
        there = set(manifests(finished / "outputs"))
        new: dict[str, list[str]] = {}
        for key, artifact in json.loads(ran.stdout)["artifacts"].items():
            if key not in there:
                new.setdefault(artifact["kind"], []).append(key)
        return new

    axes = ("strategy=queries,responses", "strategy.rows=32", "seed=0,1")
    more = planned("strategy=queries,responses", "strategy.rows=32", "amount=4,8,16", "seed=0,1,2")
    assert {kind: len(keys) for kind, keys in more.items()} == {
        "checkpoint": 6,
        "completions": 12,
        "record": 12,
    }
    more = planned(*axes, "amount=4,8,16,32")
    assert {kind: len(keys) for kind, keys in more.items()} == {
        "checkpoint": 4,
        "completions": 8,
        "record": 8,
    }
    fewer_items = "evaluate.benchmarks.mini_ood.source.n_items=6"
    more = planned(*axes, "amount=4,8,16", fewer_items)
    assert {kind: len(keys) for kind, keys in more.items()} == {"completions": 12, "record": 12}


def test_the_base_can_be_evaluated_alone(to_go_on_from: Path) -> None:
    overrides = ("study=base", "strategy=queries", "strategy.rows=32", "amount=0", "seed=0")
    ran = doublings(to_go_on_from, "run", *overrides)
    assert "1 of 1 cells complete" in ran.stdout, ran.stdout + ran.stderr
    outputs = ("base", "--outputs", str(to_go_on_from / "outputs"))
    for verb in ("status", "why", "verify"):
        said = run_to_its_end([sys.executable, "-m", "orchestrator", verb, *outputs], to_go_on_from)
        assert said.returncode == 0, said.stderr


def test_what_fails_has_a_cause_and_the_rest_is_made(to_go_on_from: Path) -> None:
    overrides = ("strategy=queries", "strategy.rows=32", "amount=8", "seed=0")
    ran = doublings(to_go_on_from, "run", "study=rates", *overrides, "train.learning_rate=5e-4,1e30")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "1 of 2 cells complete" in ran.stdout
    assert "loss not finite" in ran.stdout
    assert "lower train.learning_rate" in ran.stdout
    outputs = ("--outputs", str(to_go_on_from / "outputs"))
    program = [sys.executable, "-m", "orchestrator"]
    status = run_to_its_end([*program, "status", "rates", "--json", *outputs], to_go_on_from)
    assert status.returncode == 1
    assert json.loads(status.stdout)["cells"] == {"complete": 1, "failed": 1}
    why = run_to_its_end([*program, "why", "rates", "train.learning_rate=1e30", *outputs], to_go_on_from)
    assert "spec.train.learning_rate: 1e+30 here, 0.0005 there" in why.stdout, why.stdout + why.stderr


def test_two_runs_started_together_make_each_artifact_once(finished: Path, tmp_path: Path) -> None:
    both = [
        subprocess.Popen(
            command("run", tmp_path / "outputs", *AXES),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=environment(tmp_path),
        )
        for _ in range(2)
    ]
    said = [run.communicate(timeout=240)[0] for run in both]
    assert [run.returncode for run in both] == [0, 0], said
    outputs = tmp_path / "outputs"
    assert sorted(made(outputs)) == sorted(manifests(outputs))
    assert records(outputs) == records(finished / "outputs")


@pytest.mark.parametrize("chance", range(2))
def test_whatever_is_killed_the_next_run_completes(finished: Path, tmp_path: Path, chance: int) -> None:
    outputs = tmp_path / "outputs"
    draw = random.Random(chance)
    seen: dict[str, dict[str, Any]] = {}
    for victim in draw.sample(["stage", "worker", "orchestrator", "everything"], 4):
        with subprocess.Popen(
            command("run", outputs, *AXES),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=environment(tmp_path),
        ) as run:
            wait_for_a_lease(outputs, run)
            time.sleep(draw.uniform(0.0, 4.0))
            kill(victim, run, tmp_path)
            run.send_signal(signal.SIGKILL)
        for key, manifest in seen.items():
            assert manifests(outputs)[key] == manifest, "a complete artifact was made again"
        seen = manifests(outputs)
    ran = doublings(tmp_path, "run", *AXES)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {key: manifests(outputs)[key] for key in seen} == seen
    assert records(outputs) == records(finished / "outputs")
    assert not [path for path in outputs.glob("artifacts/*/.*") if path.parent.name != "artifacts"]


def test_ctrl_c_stops_after_what_is_in_hand_and_the_next_run_goes_on(tmp_path: Path) -> None:
    run = subprocess.Popen(
        command("run", tmp_path / "outputs", *AXES),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment(tmp_path),
        process_group=0,
        preexec_fn=hear_ctrl_c,
    )
    deadline = time.monotonic() + 60
    while not manifests(tmp_path / "outputs") and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 1, said
    assert "saving what is in hand" in said
    ran = doublings(tmp_path, "run", *AXES)
    assert ran.returncode == 0, ran.stdout
    assert sorted(made(tmp_path / "outputs")) == sorted(manifests(tmp_path / "outputs"))


def test_another_train_seed_gives_other_weights_of_the_same_subset(to_go_on_from: Path) -> None:
    ran = doublings(
        to_go_on_from,
        "run",
        "strategy=queries",
        "strategy.rows=32",
        "amount=16",
        "subset_seed=0",
        "train_seed=0,1",
        "study=seeds",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ours = [
        manifest
        for manifest in manifests(to_go_on_from / "outputs").values()
        if manifest["kind"] == "checkpoint"
        and manifest["spec"]["subset"] == {"n": 16, "unit": "examples", "order": "breadth", "seed": 0}
    ]
    pools = {manifest["inputs"]["pool"] for manifest in ours if manifest["spec"]["train_seed"] == 1}
    pair = [manifest for manifest in ours if manifest["inputs"]["pool"] in pools]
    by_seed = {manifest["spec"]["train_seed"]: manifest["files"] for manifest in pair}
    assert by_seed[0]["subset.parquet"] == by_seed[1]["subset.parquet"]
    assert by_seed[0]["model.safetensors"] != by_seed[1]["model.safetensors"]


@pytest.fixture(params=["900k"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk that holds the pools and the base, and little more, unless another size is asked for."""
    disk = tmp_path / "outputs"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("small_disk", ["400k"], indirect=True)
def test_weights_that_cannot_fit_are_refused_before_anything_is_written(
    small_disk: Path, tmp_path: Path
) -> None:
    ran = doublings(tmp_path, "run", *AXES)
    assert ran.returncode == 2
    assert "weights alone need 635 kB" in ran.stderr
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_is_named_and_nothing_is_half_there(small_disk: Path, tmp_path: Path) -> None:
    ran = doublings(tmp_path, "run", *AXES)
    assert ran.returncode == 1
    assert "No space left on device" in ran.stdout + ran.stderr or "disk full" in ran.stdout
    assert str(small_disk) in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    for manifest in small_disk.glob("artifacts/*/*/manifest.json"):
        described = json.loads(manifest.read_text())["files"]
        assert described
        assert all(sha256(manifest.parent / name) == file["sha256"] for name, file in described.items())
