"""Pools written by a model in the stage's own process: the same rows, journal, budget and resumption."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from experiments.resume import Paused, Resumption
from orchestrator.refusal import Refused
from tests.experiments.llm_job import GENERATOR, PROMPT, Job
from tests.experiments.parrot import CONTEXT, SAYING, write_parrot

NOWHERE = "http://127.0.0.1:9/v1"  # nobody is asked
ENGINES = [
    "transformers",
    pytest.param(
        "vllm",
        marks=[
            pytest.mark.vllm,
            pytest.mark.slow,
            pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM here: `make vllm-cpu`"),
            pytest.mark.filterwarnings("default"),  # others' warnings
        ],
    ),
]


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parrot(tmp_path_factory.mktemp("models") / "parrot")


def job(folder: Path, model: Path | str, kind: str = "transformers", **server: Any) -> Job:
    offline = {"dtype": "float32", "context": CONTEXT, "memory_share": 0.2}
    generator = {**GENERATOR, "model": str(model), "temperature": 0.0}
    changes = {"writer": generator, "solver": generator, "prompts": {"numbers": PROMPT}}
    return Job(folder, NOWHERE, {"kind": kind, "offline": offline, **server}, **changes)


def journal(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "state/answers.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("kind", ENGINES)
def test_a_model_in_this_process_writes_the_pool(tmp_path: Path, parrot: Path, kind: str) -> None:
    summary, rows = job(tmp_path, parrot, kind).make()
    assert [(row["query"], row["response"]) for row in rows] == [("Sam buys 30 more?\n#### 42", SAYING)]
    assert summary["yield"]["numbers"] == {
        "queries asked": 6,
        "query known": 5,
        "paths asked": 2,
        "kept": 2,
    }
    [proof] = summary["engines"][str(parrot)]
    assert proof["engine"].startswith(kind)
    assert proof["dtype"] == "float32"
    assert set(proof["sha256"]) == {"model.safetensors"}
    answers = [line["answer"] for line in journal(tmp_path)]
    assert [answer["finish_reason"] for answer in answers] == ["stop"] * 8
    assert all(answer["n_read"] > answer["n_written"] > 1 for answer in answers)


@pytest.mark.parametrize("kind", ENGINES)
def test_a_budget_and_a_pause_keep_what_was_answered_and_go_on_from_there(
    tmp_path: Path, parrot: Path, kind: str
) -> None:
    with pytest.raises(Refused, match=r"budget_tokens=350 allows no more requests: [123] of 6 new queries"):
        job(tmp_path, parrot, kind, budget_tokens=350, concurrency=2).make("poor")
    answered = journal(tmp_path)
    spent = sum(line["answer"]["n_read"] + line["answer"]["n_written"] for line in answered)
    assert 0 < spent <= 350
    paused = Resumption(tmp_path / "state", 60.0)
    paused.pause.set()
    with pytest.raises(Paused, match=rf"{len(answered)} of 6 new queries"):
        job(tmp_path, parrot, kind, concurrency=2).make("paused", paused)
    job(tmp_path, parrot, kind, concurrency=2).make()
    assert journal(tmp_path)[: len(answered)] == answered
    assert len(journal(tmp_path)) == 8


def test_what_does_not_fit_into_the_context_is_rejected(tmp_path: Path, parrot: Path) -> None:
    cramped = {"dtype": "float32", "context": 100, "memory_share": 0.2}
    with pytest.raises(Refused, match="contains nothing but empty rows"):
        job(tmp_path, parrot, offline=cramped).make()
    assert {line["answer"]["finish_reason"] for line in journal(tmp_path)} == {"rejected"}


def test_a_model_that_is_not_there_or_cannot_chat_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(Refused, match=r"'no/such' must be a folder or .*: .* is not in the hub's cache"):
        job(tmp_path, "no/such").make("absent")
    mute = write_parrot(tmp_path / "mute")
    (mute / "chat_template.jinja").unlink()
    with pytest.raises(Refused, match=r"'.*mute' has no chat template"):
        job(tmp_path, mute).make("mute-pool")
