"""What a tracker is told of a study: each finished cell once, with its course and its results."""

import json
import struct
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.__main__ import main
from analysis.replay import complete_runs
from analysis.study import read_study
from tests.analysis.toy import N_ITEMS, PROVENANCE, ToyStudy, write_manifest

LOSSES = {128: [3.0, 2.5, 2.0], 256: [3.0, 2.0, 1.0]}


@pytest.fixture
def study(tmp_path):
    toy = ToyStudy(
        strategies=("queries",), amounts=tuple(LOSSES), seeds=(0,), references={"base": (0.1, 0.1)}
    )
    folder = toy.write(tmp_path / "outputs")
    path = folder / "plans" / "2.json"
    plan = json.loads(path.read_text())
    plan["cells"][0]["artifacts"]["checkpoint"] = None  # the base itself
    for cell in plan["cells"][1:]:
        plan["artifacts"][cell["artifacts"]["checkpoint"]] = {"kind": "checkpoint"}
    path.write_text(json.dumps(plan))
    return folder


def train(study, amount):
    """Complete the checkpoint of an amount; its key."""
    cells = read_study(study).cells
    [key] = [cell["artifacts"]["checkpoint"] for cell in cells if cell["axes"]["amount"] == amount]
    outputs = study.parent.parent
    write_manifest(outputs, "checkpoint", key, {"n_steps": 3}, PROVENANCE)
    place = outputs / "artifacts" / "checkpoint" / key
    pq.write_table(pa.table({"step": [1, 2, 3], "loss": LOSSES[amount]}), place / "training.parquet")
    speeds = pa.table({"step": [1, 2, 3], "tokens_per_second": [10.0, 11.0, 12.0]})
    pq.write_table(speeds, place / "measured.parquet")
    return key


def track(monkeypatch, capsys, *arguments):
    """Exit code, stdout and stderr of `doublings track ...`."""
    monkeypatch.setattr(sys, "argv", ["doublings", "track", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err


def events(folder):
    """(name, step) -> value, of all event files of a run, as TensorBoard reads them."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    found = {}
    for path in folder.glob("events.*"):
        data = path.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])
            event = event_pb2.Event.FromString(data[12 : 12 + size])
            data = data[12 + size + 4 :]
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    assert (value.tag, event.step) not in found
                    found[value.tag, event.step] = value.simple_value
    return found


def test_a_cell_is_tracked_once_it_is_complete_with_its_course_and_its_results(study):
    assert list(complete_runs(read_study(study), frozenset())) == []
    key = train(study, 128)
    [run] = complete_runs(read_study(study), frozenset())
    assert run.key == key
    assert run.axes["amount"] == 128
    assert [step["loss"] for step in run.steps] == LOSSES[128]
    assert [step["tokens_per_second"] for step in run.steps] == [10.0, 11.0, 12.0]
    assert run.results["in/accuracy"] == run.results["in/n_correct"] / N_ITEMS["in"]
    assert list(complete_runs(read_study(study), frozenset({key}))) == []


def test_a_cell_without_a_record_waits(study):
    train(study, 128)
    outputs = study.parent.parent
    [keys] = [
        cell["artifacts"]["record"] for cell in read_study(study).cells if cell["axes"]["amount"] == 128
    ]
    (outputs / "artifacts" / "record" / keys["out"] / "manifest.json").unlink()
    assert list(complete_runs(read_study(study), frozenset())) == []


def test_tensorboard_gets_each_run_once_however_often_it_is_asked(study, monkeypatch, capsys):
    pytest.importorskip("tensorboardX")
    first, place = train(study, 128), study / "tracking" / "tensorboard"
    asked = (study, "--to", "tensorboard")
    code, out, _ = track(monkeypatch, capsys, *asked)
    assert (code, out) == (0, "1 runs written to tensorboard, 1 of the study are yet to come\n")
    (place.with_suffix(".json")).unlink()  # as if it had been killed before its book was written
    second = train(study, 256)
    code, out, _ = track(monkeypatch, capsys, *asked, "--watch")
    assert (code, out) == (0, "2 runs written to tensorboard, 0 of the study are yet to come\n")
    assert {path.name for path in place.iterdir()} == {first, second}
    seen = events(place / second)
    assert [seen["training/loss", step] for step in (1, 2, 3)] == LOSSES[256]
    assert seen["training/tokens_per_second", 3] == 12.0
    assert 0.0 < seen["in/accuracy", 3] < 1.0
    assert events(place / first)["training/loss", 1] == 3.0


def test_a_tracker_that_fails_is_told_in_its_own_words_and_the_run_is_not_in_its_book(
    study, monkeypatch, capsys
):
    pytest.importorskip("tensorboardX")
    train(study, 128)
    (study / "tracking").mkdir()
    (study / "tracking" / "tensorboard").write_text("a file where a folder should be")
    code, _, err = track(monkeypatch, capsys, study, "--to", "tensorboard")
    assert code == 2
    assert "tensorboardX did not take the run strategy=queries amount=128" in " ".join(err.split())
    assert not (study / "tracking" / "tensorboard.json").exists()


def test_a_tracker_that_is_not_installed_or_not_known_is_refused_in_words(study, monkeypatch, capsys):
    train(study, 128)
    code, out, err = track(monkeypatch, capsys, study, "--to", "paper")
    assert (code, out) == (2, "")
    assert "no tracker 'paper': there is tensorboard, mlflow, wandb" in err
    monkeypatch.setitem(sys.modules, "wandb", None)
    code, out, err = track(monkeypatch, capsys, study, "--to", "wandb")
    assert (code, out) == (2, "")
    assert "pip install wandb" in " ".join(err.split())
    assert not (study / "tracking").exists()
