"""What a worker does when it was overtaken, and when its stage goes astray; the stage is the edge."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.claims import Shared
from orchestrator.identity import Artifact, digest, key_of
from orchestrator.leases import Leases
from orchestrator.ledger import Ledger
from orchestrator.note import Note, stop_file
from orchestrator.settings import LocalCluster, SlurmCluster
from orchestrator.stages import StageFailed
from orchestrator.worker import Place, Worker
from tests.tiny import CLUSTER, SETTINGS, SLURM

SPEC = {"name": "only"}
ONLY = Artifact("pool", key_of("pool", digest(SPEC), {}), SPEC, {}, label="only")


class Stage:
    """Answers every request by calling a function with the folder that it names."""

    pid = os.getpid()

    def __init__(self, make: Callable[[Path], dict[str, Any]]) -> None:
        self.make = make

    def ask(self, request: Mapping[str, Any], on_progress: Callable[[float, str], None]) -> dict[str, Any]:
        on_progress(0.5, "half")
        return self.make(Path(request["into"]))

    def gone(self) -> bool:
        return False

    def __exit__(self, *_: object) -> None:
        pass


def a_worker(
    tmp_path: Path, python: str | None = None, cluster: LocalCluster | SlurmCluster = CLUSTER
) -> Worker:
    note = Note(
        run="r",
        outputs=str(tmp_path),
        study="s",
        plan=1,
        settings=SETTINGS.model_copy(update={"cluster": cluster}),
        order=(ONLY.key,),
        devices=(),
        python="python",
        code=str(tmp_path),
        provenance={},
    )
    note.write()
    ledger = Ledger.at(tmp_path)
    claims = Shared(note.order, {ONLY.key: ONLY}, ledger, note.folder)
    return Worker(note, ledger, claims, Place("0", threads=1, gpus="", python=python))


def make(worker: Worker, function: Callable[[Path], dict[str, Any]]) -> bool:
    claim = next(worker.claims.claims({"study": "s", "run": "r"}))
    return worker.make(Stage(function), *claim)  # type: ignore[arg-type]


def overtake(tmp_path: Path) -> Path:
    """Another worker takes the lease, clears away and begins."""
    leases, store = Leases(tmp_path), Ledger.at(tmp_path).store
    (old,) = [path for path in leases.folder.glob(f"{ONLY.key}.*") if not path.name.startswith(".")]
    (leases.folder / f"{ONLY.key}.1").write_bytes(old.read_bytes())
    store.discard_unfinished(ONLY)
    return store.start(ONLY)


def test_a_worker_that_was_overtaken_touches_nothing_of_the_next_one(tmp_path: Path) -> None:
    theirs: list[Path] = []

    def slept(into: Path) -> dict[str, Any]:
        theirs.append(overtake(tmp_path))
        return {}

    worker = a_worker(tmp_path)
    assert not make(worker, slept)
    assert theirs[0].is_dir()
    assert worker.ledger.failures.failed() == set()
    assert set(worker.ledger.leases.live()) == {ONLY.key}


def test_a_worker_that_was_overtaken_does_not_report_its_own_failure(tmp_path: Path) -> None:
    theirs: list[Path] = []

    def broke(into: Path) -> dict[str, Any]:
        theirs.append(overtake(tmp_path))
        raise StageFailed("unknown", "too late")

    worker = a_worker(tmp_path)
    assert not make(worker, broke)
    assert theirs[0].is_dir()
    assert worker.ledger.failures.failed() == set()


def test_a_failure_is_written_down_and_frees_the_artifact(tmp_path: Path) -> None:
    def full(into: Path) -> dict[str, Any]:
        raise OSError(28, "No space left on device")

    worker = a_worker(tmp_path)
    assert not make(worker, full)
    failure = worker.ledger.failures.of(ONLY.key)
    assert failure is not None
    assert failure["cause"] == "disk full"
    assert list(worker.claims.claims({})) == []
    assert worker.ledger.leases.live() == {}
    assert list((tmp_path / "artifacts" / "pool").iterdir()) == []


@pytest.mark.parametrize(
    ("python", "says"), [("/nowhere/python", "/nowhere/python"), ("sh -c 'exit 3'", "exit code 3")]
)
def test_a_python_that_cannot_run_stages_stops_the_run_at_once(
    tmp_path: Path, python: str, says: str
) -> None:
    worker = a_worker(tmp_path, python)
    assert worker.run() == 0
    failure = worker.ledger.failures.of(ONLY.key)
    assert failure is not None
    assert failure["cause"] == "import error"
    assert says in failure["message"]
    assert stop_file(worker.note.folder).read_text() == "stopped after a failure: import error"
    assert worker.ledger.leases.live() == {}


@pytest.mark.parametrize(("tries", "ends_with"), [(1, "node failed"), (2, "import error")])
def test_jobs_that_slurm_begins_anew_without_a_word_count_as_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: int, ends_with: str
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    monkeypatch.setenv("SLURMD_NODENAME", "n1")
    worker = a_worker(tmp_path, "/nowhere/python", SLURM.model_copy(update={"tries": {"node failed": tries}}))
    next(worker.claims.claims({}))  # and the node dies
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert worker.run() == 0
    first = worker.ledger.attempts.of(ONLY.key)[0]
    assert (first["cause"], first["node"], first["job"]) == ("node failed", "n1", "9")
    failure = worker.ledger.failures.of(ONLY.key)
    assert failure is not None
    assert failure["cause"] == ends_with
    assert worker.ledger.leases.live() == {}
