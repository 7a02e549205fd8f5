"""A study of a model that exists goes the whole way: linked, trained by adapters, asked and graded."""

import json
from pathlib import Path

import pytest

from tests.experiments.tiny_models import write_model
from tests.orchestrator.test_plan_models import PROBLEMS
from tests.tiny import ROOT, run_to_its_end


@pytest.mark.slow
def test_a_study_of_a_pretrained_model_ends_with_its_records(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", "llama", context=512)
    for name, rows in (("train", PROBLEMS[:24]), ("test", PROBLEMS[24:])):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text)
    arguments = [
        *("study=real", "model=qwen2_5_0_5b", f"model.path={model}", "model.context=512"),
        *("data=gsm8k", f"data.path={tmp_path}", "strategy=seed", "evaluate=[gsm8k]"),
        *("train=mugglemath_lora", "train.batch_size=4", "amount=0,4", f"outputs={tmp_path}/outputs"),
        *("evaluate.benchmarks.gsm8k.max_new_tokens=8", "cluster.workers=1"),
    ]
    ran = run_to_its_end([str(ROOT / ".venv/bin/doublings"), "run", *arguments], tmp_path)
    assert ran.returncode == 0, ran.stderr
    made = tmp_path / "outputs/artifacts"
    manifests = {
        kind: [json.loads(path.read_text()) for path in made.glob(f"{kind}/*/manifest.json")]
        for kind in ("base", "checkpoint", "completions", "record")
    }
    [base], [training] = manifests["base"], manifests["checkpoint"]
    assert len(manifests["completions"]) == len(manifests["record"]) == 2
    [weights] = made.glob("base/*/model.safetensors")
    assert weights.resolve() == (model / "model.safetensors").resolve()
    assert "model.safetensors" not in base["files"]
    assert {"adapter_model.safetensors", "adapter_config.json"} <= training["files"].keys()
    assert "model.safetensors" not in training["files"]
    assert (training["summary"]["n_rows"], training["summary"]["n_dropped"]) == (4, 0)
    [adapted] = [one for one in manifests["completions"] if "base" in one["inputs"]]
    assert adapted["inputs"] == {"weights": training["key"], "base": base["key"]}
    specs = [manifest["spec"] for found in manifests.values() for manifest in found]
    assert str(model) not in json.dumps(specs)
