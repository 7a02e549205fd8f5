"""A job: takes what is ready, has the stage make it, publishes it, until nothing is left."""

import errno
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from pydantic import ConfigDict

from orchestrator import slots
from orchestrator.files import read_json, write_text
from orchestrator.identity import Artifact
from orchestrator.leases import Lease, whoami
from orchestrator.ledger import Ledger
from orchestrator.refusal import Refused
from orchestrator.specs import Spec
from orchestrator.stages import StageFailed, StageProcess, stage_environment
from orchestrator.study import StudyFolder, artifacts_of

POLL = 0.25
# A process that was killed may have been somebody else's mistake; twice is a reason.
TRIES_WHEN_KILLED = 2


class Note(Spec):
    """What the jobs of one run are told, in a file beside their logs."""

    model_config = ConfigDict(frozen=True, strict=False, extra="forbid")

    run: str
    outputs: str
    study: str
    plan: int
    order: tuple[str, ...]  # keys to make, most urgent first
    workers: int
    threads: int
    devices: tuple[str, ...]  # GPUs, one for each of the first slots
    failures: int
    save_every: float
    code: str
    provenance: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where this run keeps its logs and its word to stop."""
        return StudyFolder(Path(self.outputs), self.study).jobs(self.run)


def stop_file(folder: Path) -> Path:
    """Its presence asks the workers of a run to end after what they have in hand; its text says why."""
    return folder / "stop"


def work(note_file: str) -> int:
    """The function that a job runs; how many artifacts it made."""
    note = Note.model_validate(read_json(Path(note_file)))
    ledger = Ledger.at(Path(note.outputs))
    study = StudyFolder(Path(note.outputs), note.study)
    artifacts = artifacts_of(read_json(study.plans / f"{note.plan}.json"))
    queue = Queue(note, ledger, artifacts)
    with _any_slot(note, queue) as slot:
        if slot is None:
            return 0
        return Worker(note, ledger, queue, slot).run()


@contextmanager
def _any_slot(note: Note, queue: "Queue") -> Iterator[int | None]:
    """Wait for a free slot of this machine, or for there to be nothing left to do (None)."""
    while queue.unfinished():
        for slot in range(note.workers):
            with slots.held(slot) as mine:
                if mine:
                    yield slot
                    return
        time.sleep(2 * POLL)
    yield None


class Queue:
    """What is left to make, as the files tell it at the moment of asking."""

    def __init__(self, note: Note, ledger: Ledger, artifacts: dict[str, Artifact]) -> None:
        self.note = note
        self.ledger = ledger
        self.artifacts = artifacts
        self._left = list(note.order)
        self._given_up: set[str] = set()

    def unfinished(self) -> list[Artifact]:
        """What is neither complete, nor failed, nor made from something that failed; nothing once stopped."""
        if stop_file(self.note.folder).exists():
            return []
        complete = self.ledger.store.complete(self.artifacts[key] for key in self._left)
        self._left = [key for key in self._left if key not in complete]
        failed = self.ledger.failures.failed()
        self._given_up |= {key for key in self._left if key in failed and self._final(key)}
        self._give_up_on_what_follows()
        return [self.artifacts[key] for key in self._left]

    def claim(self, unfinished: list[Artifact]) -> tuple[Artifact, Lease] | None:
        """Take the most urgent of what is unfinished that can be made now."""
        waiting = {artifact.key for artifact in unfinished}
        for artifact in unfinished:
            if waiting & set(artifact.inputs.values()):
                continue
            about = {"label": artifact.label, "kind": artifact.kind, "study": self.note.study}
            lease = self.ledger.leases.claim(artifact.key, {**about, "run": self.note.run})
            if lease is None:
                continue
            if not self.ledger.store.has(artifact.kind, artifact.key):
                return artifact, lease
            self.ledger.leases.clear(artifact.key)
        return None

    def _final(self, key: str) -> bool:
        failure = self.ledger.failures.of(key)
        if failure is None or failure["run"] != self.note.run:
            return False
        return bool(failure["cause"] != "killed" or failure["attempts"] >= TRIES_WHEN_KILLED)

    def _give_up_on_what_follows(self) -> None:
        for key in self._left:  # kinds come in no order here, so repeat until nothing changes
            if set(self.artifacts[key].inputs.values()) & self._given_up:
                self._given_up.add(key)
        before = len(self._left)
        self._left = [key for key in self._left if key not in self._given_up]
        if len(self._left) < before:
            self._give_up_on_what_follows()


class Worker:
    """One slot's work: a stage process, and what goes in and comes out of it."""

    def __init__(self, note: Note, ledger: Ledger, queue: Queue, slot: int) -> None:
        self.note = note
        self.ledger = ledger
        self.queue = queue
        gpu = note.devices[slot] if slot < len(note.devices) else None
        self.environment = stage_environment(Path(note.code), note.threads, gpu)
        self.log = note.folder / f"worker-{slot}-{os.getpid()}.log"
        self._stage: StageProcess | None = None

    def run(self) -> int:
        """Make what can be made until nothing is left; how many artifacts that were."""
        made = 0
        with self.log.open("a", encoding="utf-8") as log:
            try:
                while unfinished := self.queue.unfinished():
                    claimed = self.queue.claim(unfinished)
                    if claimed is None:
                        time.sleep(POLL)
                        continue
                    if self._stage is None:
                        self._stage = StageProcess(self.environment, log)
                    made += self._make(self._stage, *claimed)
            finally:
                self._end_stage()
        return made

    def _make(self, stage: StageProcess, artifact: Artifact, lease: Lease) -> bool:
        """Whether it is there now, made by this worker; a failure is written down."""
        try:
            made = self._published(stage, artifact, lease)
        except Refused as refusal:
            self._failed(artifact, lease, StageFailed("bad input", str(refusal)))
        except StageFailed as failure:
            self._failed(artifact, lease, failure)
        except psutil.NoSuchProcess:
            self._failed(
                artifact, lease, StageFailed("killed", "the stage process ended before it was asked")
            )
        except OSError as error:
            # The stage may still be at it, and would answer the next question with this one's result.
            self._end_stage()
            cause = "disk full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "unknown"
            self._failed(artifact, lease, StageFailed(cause, f"{self.ledger.store.root}: {error}"))
        else:
            if self.ledger.store.has(artifact.kind, artifact.key):
                self.ledger.failures.forget(artifact.key)
                self.ledger.leases.clear(artifact.key)
            return made
        return False

    def _published(self, stage: StageProcess, artifact: Artifact, lease: Lease) -> bool:
        store = self.ledger.store
        store.discard_unfinished(artifact)
        into = store.start(artifact)
        measured = _Measured(stage.pid)

        def on_progress(done: float, what: str) -> None:
            measured.sample()
            self.ledger.leases.refresh(lease, done, what)

        request = {
            "ask": "make",
            "kind": artifact.kind,
            "spec": artifact.spec,
            "inputs": {role: self._folder(key) for role, key in artifact.inputs.items()},
            "places": artifact.places,
            "into": str(into.resolve()),
            "state": str(store.state_folder(artifact.key).resolve()),
            "save_every": self.note.save_every,
        }
        summary = stage.ask(request, on_progress)
        if not self.ledger.leases.holds(lease):
            # This process slept for so long that somebody else has taken over, and removed what was here.
            shutil.rmtree(into, ignore_errors=True)
            return False
        cost = measured.result()
        provenance = {**self.note.provenance, **whoami(), "run": self.note.run, **cost}
        published = store.publish(artifact, into, summary, provenance)
        if published:
            self._tell(f"made {artifact.kind} {artifact.key} ({artifact.label}) in {cost['seconds']:.1f} s")
        return published

    def _tell(self, text: str) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}\n")

    def _folder(self, key: str) -> str:
        return str(self.ledger.store.folder(self.queue.artifacts[key].kind, key).resolve())

    def _failed(self, artifact: Artifact, lease: Lease, failure: StageFailed) -> None:
        if self._stage is not None and (failure.cause in ("killed", "out of memory") or self._stage.gone()):
            self._end_stage()
        if not self.ledger.leases.holds(lease):
            return  # somebody else makes it now, and will say how that went
        self.ledger.store.discard_unfinished(artifact)
        about = {
            "run": self.note.run,
            "study": self.note.study,
            "kind": artifact.kind,
            "label": artifact.label,
            "cause": failure.cause,
            "message": failure.message,
            "traceback": failure.traceback,
            "log": str(self.log),
        }
        self.ledger.failures.record(artifact.key, about)
        self._tell(f"could not make {artifact.kind} {artifact.key} ({artifact.label}): {failure.message}")
        self.ledger.leases.release(lease)
        self._stop_when_hopeless()

    def _stop_when_hopeless(self) -> None:
        """Many failures of one cause are one mistake: start nothing new."""
        known = [self.ledger.failures.of(key) for key in self.ledger.failures.failed()]
        causes = Counter(failure["cause"] for failure in known if failure and failure["run"] == self.note.run)
        for cause, count in causes.items():
            if count >= self.note.failures:
                write_text(
                    stop_file(self.note.folder), f"stopped after {count} failures of one cause: {cause}"
                )

    def _end_stage(self) -> None:
        if self._stage is not None:
            self._stage.__exit__(None, None, None)
            self._stage = None


class _Measured:
    """Time and memory that making one artifact took, seen from outside the process that made it."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._begun = time.time()
        self._cpu = self._cpu_seconds()
        self._peak = 0
        self.sample()

    def sample(self) -> None:
        try:
            self._peak = max(self._peak, self._process.memory_info().rss)
        except psutil.NoSuchProcess:
            return  # its death is reported where the answer is awaited

    def result(self) -> dict[str, float]:
        self.sample()
        return {
            "begun": round(self._begun, 3),
            "seconds": round(time.time() - self._begun, 3),
            "cpu_seconds": round(self._cpu_seconds() - self._cpu, 3),
            "peak_memory_bytes": self._peak,
        }

    def _cpu_seconds(self) -> float:
        try:
            times = self._process.cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)
