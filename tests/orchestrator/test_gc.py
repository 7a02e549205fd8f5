"""What `gc` calls garbage is nobody's, and only that goes."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.gc import collect
from orchestrator.identity import Artifact
from orchestrator.ledger import Ledger
from orchestrator.refusal import Refused
from orchestrator.study import StudyFolder
from tests.orchestrator.kept import a_study, made, planned, publish, with_weights

Capture = pytest.CaptureFixture[str]


def told(capsys: Capture, name: str | None, outputs: Path, *, free: bool = False, paid: bool = False) -> Any:
    assert collect(name, outputs, free=free, paid=paid, as_json=True) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A study whose second plan has left out an amount, and another study that nobody disturbs."""
    made(tmp_path, planned(tmp_path, a_study("grown")))
    planned(tmp_path, a_study("grown", amounts=(4, 8)), 2)
    made(tmp_path, planned(tmp_path, a_study("other", tests=("more",), amounts=(4,))))
    return tmp_path


def test_without_free_nothing_goes(outputs: Path, capsys: Capture) -> None:
    before = sorted(outputs.rglob("*"))
    found = told(capsys, None, outputs)
    assert found["freed_bytes"] is None
    assert {kind: held["n"] for kind, held in found["unreferenced"].items()} == {
        "checkpoint": 1,
        "completions": 1,
        "record": 1,
    }
    assert found["studies"]["grown"]["checkpoint"]["n"] == 2
    assert sorted(outputs.rglob("*")) == before


def test_what_no_newest_plan_names_goes_and_the_bytes_are_those_announced(
    outputs: Path, capsys: Capture
) -> None:
    announced = sum(held["bytes"] for held in told(capsys, None, outputs)["unreferenced"].values())
    assert told(capsys, None, outputs, free=True)["freed_bytes"] == announced > 0
    left = told(capsys, None, outputs)
    assert left["unreferenced"] == {}
    assert left["studies"]["other"]["record"]["n"] == 1
    assert not list((outputs / "artifacts" / "checkpoint").glob(".*"))


def test_of_one_study_goes_only_what_its_own_plans_made(outputs: Path, capsys: Capture) -> None:
    publish(Ledger.at(outputs).store, Artifact("record", "f" * 32, {}, {}))
    assert told(capsys, "other", outputs, free=True)["freed_bytes"] == 0
    assert "record" in told(capsys, None, outputs)["unreferenced"]


def test_a_study_that_keeps_no_weights_loses_them(outputs: Path, capsys: Capture) -> None:
    made(outputs, planned(outputs, a_study("frugal", "none", amounts=(16,))))
    assert told(capsys, None, outputs)["evictable"]["frugal"] == {"n": 1, "bytes": 100}
    told(capsys, "frugal", outputs, free=True)
    assert with_weights(outputs, a_study("frugal")) == [4, 8], "the others are kept by their studies"


def test_what_a_model_was_paid_for_goes_only_where_that_is_said(outputs: Path, capsys: Capture) -> None:
    publish(Ledger.at(outputs).store, Artifact("pool", "e" * 32, {"strategy": {"kind": "llm"}}, {}))
    assert "pool" not in told(capsys, None, outputs)["unreferenced"]
    assert told(capsys, None, outputs, paid=True)["unreferenced"]["pool"]["n"] == 1


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(outputs: Path, capsys: Capture) -> None:
    ledger = Ledger.at(outputs)
    for name in ("a", "b"):
        (ledger.store.start(Artifact("checkpoint", name * 32, {}, {})) / "half").write_text("weights")
    lease = ledger.leases.claim("a" * 32, {"study": "grown", "run": None, "kind": "checkpoint"})
    assert lease is not None
    assert told(capsys, None, outputs, free=True)["unreferenced"]["leftovers"] == {"n": 1, "bytes": 7}
    assert [path.name.split(".")[1] for path in (outputs / "artifacts" / "checkpoint").glob(".*")] == [
        "a" * 32
    ]


def test_what_a_cell_that_left_every_plan_would_resume_from_goes_and_answers_that_were_paid_for_stay(
    outputs: Path, capsys: Capture
) -> None:
    states = outputs / "artifacts" / ".states"
    kept = next(key for key, one in a_study("grown")["artifacts"].items() if one["kind"] == "checkpoint")
    for key, name in ((kept, "5.safetensors"), ("c" * 32, "5.safetensors"), ("d" * 32, "answers.jsonl")):
        (states / key).mkdir(parents=True)
        (states / key / name).write_text("state")
    (outputs / "artifacts" / "checkpoint" / kept / "manifest.json").unlink()
    told(capsys, None, outputs, free=True)
    assert sorted(path.name for path in states.iterdir()) == sorted([kept, "d" * 32])


def test_where_a_plan_cannot_be_read_nothing_is_garbage(outputs: Path) -> None:
    (StudyFolder(outputs, "other").plans / "1.json").write_text("[")
    with pytest.raises(Refused, match="nobody knows what it refers to"):
        collect(None, outputs, free=True, paid=False, as_json=True)
