"""What `verify` proves from files, and what it finds when they are not so."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.findings import Findings, verify
from experiments.pool import make_pool
from experiments.resume import Resumption
from experiments.sources import read_hashed
from experiments.subset import select
from orchestrator.artifacts import Store
from orchestrator.identity import Artifact, Kind, key_of

WORLD = {"seed": 0, "n_units": 40, "n_everyday_units": 8, "zipf_alpha": 1.0, "zipf_offset": 6.0}
GIVEN = {"kind": "symbolic", "world": WORLD, "part": "seed", "n_items": 12}
TEST = {"kind": "symbolic", "world": WORLD, "part": "test", "n_items": 10}
AMOUNTS = (4, 8, 16)
Change = Callable[[pa.Table], pa.Table]


class Study:
    """Two strategies at three amounts, as a study leaves them, without the training."""

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self.store = Store(outputs)
        self.artifacts: dict[str, Any] = {}
        self.cells: list[dict[str, Any]] = []
        base = self.publish("base", {"version": 1}, {}, lambda folder: None)
        for strategy in (["numbers"], []):
            pool = self.pool(strategy)
            for seed in (0, 1):
                for amount in AMOUNTS:
                    self.cell(base, pool, amount, seed)
                    name = "numbers" if strategy else "responses"
                    self.cells[-1]["axes"] = {"strategy": name, "amount": amount, "subset_seed": seed}
        self.plan = outputs / "1.json"
        self.plan.write_text(json.dumps({"cells": self.cells, "artifacts": self.artifacts}))

    def publish(self, kind: Kind, spec: Any, inputs: dict[str, str], write: Callable[[Path], Any]) -> str:
        artifact = Artifact(kind, key_of(kind, spec, inputs), spec, inputs)
        made = self.store.start(artifact)
        write(made)
        self.store.publish(artifact, made, {}, {})
        self.artifacts[artifact.key] = {"kind": kind, "spec": spec, "inputs": inputs, "places": {}}
        return artifact.key

    def pool(self, operations: list[str]) -> str:
        chosen = {"operations": operations, "new_fact_share": 0.7, "generator_seed": 0, "rows": 40}
        strategy = {"kind": "symbolic", "name": "numbers" if operations else "responses", **chosen}
        spec = {"version": 1, "seed": GIVEN, "strategy": strategy, "decontaminate": [TEST]}
        return self.publish(
            "pool",
            spec,
            {},
            lambda into: make_pool(spec, {}, into, lambda *_: None, {}, Resumption(into / "state", 60.0)),
        )

    def cell(self, base: str, pool: str, amount: int, seed: int) -> None:
        subset = {"n": amount, "unit": "examples", "order": "breadth", "seed": seed}
        rows = select(pq.read_table(self.store.folder("pool", pool) / "pool.parquet"), None, subset)
        checkpoint = self.publish(
            "checkpoint",
            {"version": 1, "train_seed": seed, "subset": subset},
            {"base": base, "pool": pool},
            lambda into: pq.write_table(
                rows.select(["position", "row_id", "source_id", "role"]), into / "subset.parquet"
            ),
        )
        record = key_of("record", {"source": TEST}, {"completions": checkpoint})
        # Not made yet, but its spec says what the benchmark is.
        self.artifacts[record] = {"kind": "record", "spec": {"source": TEST}, "inputs": {}, "places": {}}
        made = {"pool": pool, "checkpoint": checkpoint, "record": {"test": record}}
        self.cells.append({"artifacts": made})

    def payload(self, kind: Kind, name: str, amount: int = 0) -> Path:
        """A file of the first artifact of a kind, or of the first checkpoint of an amount."""
        for key, artifact in self.artifacts.items():
            if artifact["kind"] == kind and (not amount or artifact["spec"]["subset"]["n"] == amount):
                return self.store.folder(kind, key) / name
        raise LookupError(kind)

    def rewrite(self, path: Path, change: Change) -> None:
        """Change a table as if it had been made so: its manifest agrees."""
        [key] = [key for key in self.artifacts if key == path.parent.name]
        found = self.artifacts[key]
        table = change(pq.read_table(path))
        (path.parent / "manifest.json").unlink()
        artifact = Artifact(found["kind"], key, found["spec"], found["inputs"])
        made = self.store.start(artifact)
        pq.write_table(table, made / path.name)
        self.store.publish(artifact, made, {}, {})

    def findings(self) -> Findings:
        return verify(json.loads(self.plan.read_text()), self.outputs / "artifacts")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def test_a_sound_study_has_no_problems(study: Study) -> None:
    found = study.findings()
    assert found.problems == ()
    assert (found.n_complete, found.n_missing) == (1 + 2 + 12, 12)
    assert len(found.chains) == 4
    assert all(chain.nested and chain.amounts == AMOUNTS for chain in found.chains)
    assert {one.n_matches for one in found.contamination} == {0}
    assert {(one.strategy, one.amount, one.subset_seed) for one in found.contamination} == {
        (strategy, amount, seed)
        for strategy in ("numbers", "responses")
        for amount in AMOUNTS
        for seed in (0, 1)
    }


def test_strategies_at_equal_amounts_have_the_same_sources(study: Study) -> None:
    overlap = study.findings().overlap
    assert len(overlap) == 6
    for pair in overlap:
        assert pair.strategies == ("numbers", "responses")
        assert pair.shared == 1.0
        assert pair.n_sources == (min(pair.amount, 12),) * 2


def test_a_changed_or_missing_file_is_named(study: Study) -> None:
    pool = study.payload("pool", "pool.parquet")
    pool.write_bytes(pool.read_bytes()[:-1])
    subset = study.payload("checkpoint", "subset.parquet", 8)
    subset.unlink()
    problems = study.findings().problems
    assert len(problems) == 2
    assert any(str(pool) in problem and "not what was written" in problem for problem in problems)
    assert any(str(subset) in problem and "is missing" in problem for problem in problems)


def test_a_subset_that_does_not_nest_is_found(study: Study) -> None:
    study.rewrite(study.payload("checkpoint", "subset.parquet", 8), lambda rows: rows.slice(1))
    [problem] = study.findings().problems
    assert "of numbers (amounts 4, 8, 16, subset_seed=0, train_seed=0) do not nest" in problem


def test_a_pool_with_test_items_is_found(study: Study) -> None:
    def leak(rows: pa.Table) -> pa.Table:
        from_test = read_hashed(TEST, {}).queries[0]
        queries = [f" {from_test.upper()} "] * len(rows)
        return rows.set_column(rows.column_names.index("query"), "query", pa.array(queries))

    study.rewrite(study.payload("pool", "pool.parquet"), leak)
    problems = study.findings().problems
    assert len(problems) == 6
    assert "4 of 4 rows of numbers at amount 4 (subset_seed=0) are items of test" in problems[0]


def ran(plan: Path, outputs: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments", "verify", str(plan), str(outputs), *options]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_the_verb_shows_findings_and_fails_where_there_are_problems(study: Study) -> None:
    sound = ran(study.plan, study.outputs)
    assert (sound.returncode, sound.stderr) == (0, "")
    assert "4 < 8 < 16" in sound.stdout
    assert "nothing wrong" in sound.stdout
    study.payload("checkpoint", "subset.parquet", 16).unlink()
    broken = ran(study.plan, study.outputs, "--json")
    assert broken.returncode == 1
    assert len(json.loads(broken.stdout)["problems"]) == 1
    assert "error: " in broken.stderr


@pytest.mark.slow
def test_what_is_no_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    for name in ("absent.json", "list.json"):
        refused = ran(tmp_path / name, tmp_path)
        assert refused.returncode == 2
        assert f"{name} is no plan" in refused.stderr


def test_a_checkpoint_that_saw_a_held_out_source_is_a_problem(study: Study) -> None:
    plan = json.loads(study.plan.read_text())
    for artifact in plan["artifacts"].values():
        if artifact["kind"] == "pool":
            artifact["spec"]["validation"] = {"count": 6, "seed": 0}
    problems = verify(plan, study.outputs / "artifacts").problems
    assert any("numbers at amount 16" in one and "6 sources that data.validation" in one for one in problems)


def test_what_a_tombstone_names_is_not_missing_and_nothing_else_is_forgiven(study: Study) -> None:
    subset = study.payload("checkpoint", "subset.parquet", 8)
    manifest = json.loads((subset.parent / "manifest.json").read_text())
    manifest["files"]["model.safetensors"] = {"sha256": "f" * 64, "bytes": 1}
    (subset.parent / "manifest.json").write_text(json.dumps(manifest))
    assert len(study.findings().problems) == 1
    stone = {"files": {"model.safetensors": manifest["files"]["model.safetensors"]}}
    (subset.parent / "tombstone.json").write_text(json.dumps(stone))
    found = study.findings()
    assert (found.problems, found.n_evicted) == ((), 1)
    stone["files"]["model.safetensors"] = {"sha256": "e" * 64, "bytes": 1}
    (subset.parent / "tombstone.json").write_text(json.dumps(stone))
    assert "names another model.safetensors" in study.findings().problems[0]
