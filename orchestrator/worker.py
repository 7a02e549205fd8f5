"""A worker: has the stage make what it claims, publishes it, and writes down what went wrong."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

import psutil

from orchestrator import triage
from orchestrator.claims import Claim
from orchestrator.files import tail
from orchestrator.hopeless import stop_when_hopeless
from orchestrator.identity import Artifact, Kind
from orchestrator.leases import Lease, whoami
from orchestrator.ledger import Ledger
from orchestrator.measured import Measured
from orchestrator.note import Note, stop_file
from orchestrator.refusal import Refused
from orchestrator.stages import NOT_BEGUN, StageFailed, StagePaused, StageProcess, stage_environment

# Signs of life are files on a shared file system, which a thousand workers may write to.
SIGN_OF_LIFE_EVERY = 2.0
# A stage that was killed with more of the memory than this in use was killed for its memory.
NEARLY_ALL = 0.8


class Claims(Protocol):
    """What there is to make."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The kind of every artifact that a claim may be made from."""

    def claims(self, about: Mapping[str, str]) -> Iterator[Claim]:
        """One after the other; `about` says to others who has it."""


@dataclass(frozen=True)
class Place:
    """Where a worker works."""

    name: str  # of its log
    threads: int
    gpus: str | None  # as CUDA_VISIBLE_DEVICES has them
    python: str | None = None  # command that starts a stage; None: the one that runs us
    memory_bytes: float | None = None  # that may be used; None: not known


class Worker:
    """One place's work: a stage process, and what goes in and comes out of it."""

    def __init__(self, note: Note, ledger: Ledger, claims: Claims, place: Place) -> None:
        self.note = note
        self.ledger = ledger
        self.claims = claims
        self.place = place
        self.environment = stage_environment(Path(note.code), place.threads, place.gpus)
        self.log = note.folder / f"worker-{place.name}.log"
        self._stage: StageProcess | None = None
        self.warning: Callable[[], str] | None = None

    def run(self) -> int:
        """Make what can be made until nothing is left or a warning came; how many artifacts that were."""
        made = 0
        about = {"study": self.note.study, "run": self.note.run}
        with self.log.open("a", encoding="utf-8") as log:
            try:
                for claim in self.claims.claims(about):
                    if self._fell_too_often(*claim):
                        continue
                    stage = self._stage or self._new_stage(log, *claim)
                    if stage is None:
                        continue
                    if self.warning:  # while there was no stage to tell
                        stage.pause()
                    made += self.make(stage, *claim)
                    if self.warning:
                        break
            finally:
                self._end_stage()
        return made

    def _fell_too_often(self, artifact: Artifact, lease: Lease) -> bool:
        """Slurm itself begins the jobs of a dead node anew: that counts as a try, and there is a last one."""
        if lease.fallen is None:
            return False
        told = f"its node went away, and Slurm began job {lease.fallen['job']} anew"
        self._note_attempt(artifact, StageFailed("node failed", told), lease.fallen)
        if self.ledger.failures.of(artifact.key) is None:
            return False
        self.ledger.leases.release(lease)
        return True

    def _new_stage(self, log: IO[str], artifact: Artifact, lease: Lease) -> StageProcess | None:
        """None where it cannot be started, which is written down for the artifact that wants it."""
        try:
            self._stage = StageProcess(self.environment, log, self.place.python)
        except StageFailed as failure:
            self._failed(artifact, lease, failure)
        return self._stage

    def warn(self, cause: Callable[[], str]) -> None:
        """Save what is in hand and end, as the place will be taken away; callable from a signal handler.

        `cause` is asked later, when there is time.
        """
        self.warning = self.warning or cause
        if self._stage is not None:
            self._stage.pause()

    def make(self, stage: StageProcess, artifact: Artifact, lease: Lease) -> bool:
        """Whether it is there now, made by this worker; a failure is written down."""
        try:
            made = self._published(stage, artifact, lease)
        except StagePaused as paused:
            self._paused(artifact, lease, str(paused))
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
                self.ledger.forget(artifact.key)
                self.ledger.leases.clear(artifact.key)
            return made
        return False

    def _published(self, stage: StageProcess, artifact: Artifact, lease: Lease) -> bool:
        store = self.ledger.store
        store.discard_unfinished(artifact)
        into = store.start(artifact)
        measured = Measured(stage.pid)
        heard = 0.0

        def on_progress(done: float, what: str) -> None:
            nonlocal heard
            measured.sample()
            if stop_file(self.note.folder).exists():
                stage.pause()
            if time.monotonic() - heard >= SIGN_OF_LIFE_EVERY:
                heard = time.monotonic()
                self.ledger.leases.refresh(lease, done, what)

        try:
            summary = stage.ask(self._request(artifact, into), on_progress)
        except StageFailed as failure:
            raise self._understood(failure, measured.peak_bytes) from failure
        if not self.ledger.leases.holds(lease):
            # This process slept for so long that somebody else has taken over, and removed what was here.
            shutil.rmtree(into, ignore_errors=True)
            return False
        cost = measured.result()
        begun = {"run": self.note.run, "worker_begun": round(psutil.Process().create_time(), 3)}
        provenance = {**self.note.provenance, **whoami(), **begun, **cost}
        published = store.publish(artifact, into, summary, provenance)
        if published:
            self._tell(f"made {artifact.kind} {artifact.key} ({artifact.label}) in {cost['seconds']:.1f} s")
        return published

    def _request(self, artifact: Artifact, into: Path) -> dict[str, Any]:
        changes = triage.adjustments(self.ledger.attempts.of(artifact.key))
        return {
            "ask": "make",
            "kind": artifact.kind,
            "spec": artifact.spec,
            "inputs": {role: self._folder(key) for role, key in artifact.inputs.items()},
            "places": artifact.places,
            "into": str(into.resolve()),
            "state": str(self.ledger.store.state_folder(artifact.key).resolve()),
            "save_every": self.note.settings.cluster.save_every,
            "micro_batches": changes.micro_batches,
            "compute": self.note.settings.cluster.compute.model_dump(),
            "inference": self.note.settings.cluster.inference.model_dump(),
        }

    def _understood(self, failure: StageFailed, peak_bytes: int) -> StageFailed:
        """A process that was killed with all its memory in use was killed for that."""
        limit = self.place.memory_bytes
        if failure.cause != "killed" or limit is None or peak_bytes < NEARLY_ALL * limit:
            return failure
        used = f"{peak_bytes / 2**30:.1f} of {limit / 2**30:.1f} GiB were in use"
        return StageFailed("out of memory", f"{failure.message} ({used})")

    def _folder(self, key: str) -> str:
        return str(self.ledger.store.folder(self.claims.kinds[key], key).resolve())

    def _tell(self, text: str) -> None:
        # A log that cannot be written, on a full disk say, must not hide what it was about to tell.
        with suppress(OSError), self.log.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}\n")

    def _paused(self, artifact: Artifact, lease: Lease, how_far: str) -> None:
        """Cut short by a warning or by a wish to stop; no failure, though one may have too many warnings."""
        self._end_stage()
        if not self.ledger.leases.holds(lease):
            return
        self.ledger.store.discard_unfinished(artifact)
        self._tell(f"paused {artifact.kind} {artifact.key} ({artifact.label}): {how_far}")
        if self.warning and how_far != NOT_BEGUN and not stop_file(self.note.folder).exists():
            self._note_attempt(artifact, StageFailed(self.warning(), f"paused at {how_far}"))
        self.ledger.leases.release(lease)

    def _failed(self, artifact: Artifact, lease: Lease, failure: StageFailed) -> None:
        if self._stage is not None and (failure.cause in _FATAL or self._stage.gone()):
            self._end_stage()
        if not self.ledger.leases.holds(lease):
            return  # somebody else makes it now, and will say how that went
        self.ledger.store.discard_unfinished(artifact)
        self._tell(f"could not make {artifact.kind} {artifact.key} ({artifact.label}): {failure.message}")
        self._note_attempt(artifact, failure)
        self.ledger.leases.release(lease)
        stop_when_hopeless(self.ledger, self.note.folder, failure.cause, self.note.settings.cluster.failures)

    def _note_attempt(
        self, artifact: Artifact, failure: StageFailed, who: Mapping[str, Any] | None = None
    ) -> None:
        """`who` tried: this process, or the one named."""
        who = who or whoami()
        attempt = {
            "run": self.note.run,
            "study": self.note.study,
            "kind": artifact.kind,
            "label": artifact.label,
            "at": time.time(),
            "job": who["job"],
            "node": who["node"] or who["host"],
            "cause": failure.cause,
            "message": failure.message,
            "traceback": failure.traceback or tail(self.log),
            "log": str(self.log),
        }
        self.ledger.blame(artifact.key, attempt, self.note.settings.cluster)

    def _end_stage(self) -> None:
        if self._stage is not None:
            self._stage.__exit__(None, None, None)
            self._stage = None


# After these a stage process is not to be trusted with another artifact.
_FATAL = ("killed", "out of memory", "out of GPU memory")


def worker_name(place: object) -> str:
    """Of a log: no two processes share one."""
    return f"{place}-{os.getpid()}"
