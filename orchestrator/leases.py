"""Who is making what: leases that survive `kill -9`, on any file system with exclusive creation.

A lease on an artifact is the file `<key>.<generation>`. The highest generation counts. It is dead when
its holder released it, when the holder's process is gone (same machine), when it was not refreshed for a
while (another machine), or when its job of a cluster was begun anew since. A dead lease is taken over by
creating the next generation: exclusive creation lets exactly one of several takers win, and nothing is ever
deleted from under a living holder.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from orchestrator.files import write_json

# A holder on another machine refreshes every few seconds; a shared file system may show that late.
STALE_AFTER = 90.0
# A lease that was created but not yet filled in belongs to somebody who is just about to.
UNREADABLE_FOR = 10.0
# The kernel rounds the time of boot to seconds, up or down from one reading to the next.
SAME_START = 1.5


@dataclass(frozen=True)
class Lease:
    """The right to make one artifact."""

    key: str
    path: Path
    holder: Mapping[str, Any]
    fallen: Mapping[str, Any] | None = None  # who had it when our own job was cut short, without a word


class Leases:
    """All leases of one store."""

    def __init__(self, outputs: Path) -> None:
        self.folder = outputs / "artifacts" / ".leases"

    def claim(self, key: str, about: Mapping[str, Any]) -> Lease | None:
        """Take the artifact, or None if somebody alive has it."""
        generation, path = self._newest(key)
        if path is not None and self._alive(path):
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        mine = self.folder / f"{key}.{generation + 1}"
        holder = {**whoami(), **about, "claimed": time.time(), "released": False}
        try:
            descriptor = os.open(mine, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return None
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(holder, stream)
        return Lease(key, mine, holder, None if path is None else self._fallen(path))

    def refresh(self, lease: Lease, progress: float, note: str) -> None:
        """Say that the holder lives, and how far it is (0 to 1); a lost sign of life costs nothing."""
        with contextlib.suppress(OSError):
            if lease.path.exists():
                write_json(lease.path, {**lease.holder, "progress": progress, "note": note})

    @contextlib.contextmanager
    def kept(self, lease: Lease) -> Iterator[None]:
        """Give signs of life while the context lasts, for work that has no moments to do so itself."""
        over = threading.Event()

        def refresh() -> None:
            while not over.wait(STALE_AFTER / 6):
                self.refresh(lease, 0.0, "")

        beats = threading.Thread(target=refresh, daemon=True)
        beats.start()
        try:
            yield
        finally:
            over.set()
            beats.join()

    def holds(self, lease: Lease) -> bool:
        """Whether nobody took the lease over, as happens to a holder that slept too long."""
        _, path = self._newest(lease.key)
        return path == lease.path

    def release(self, lease: Lease) -> None:
        """Give the artifact back unmade; the next one to claim it need not wait."""
        write_json(lease.path, {**lease.holder, "released": True})

    def bury(self, key: str, job: str) -> bool:
        """Release the lease of a job that is known to have ended; whether that job held it."""
        _, path = self._newest(key)
        holder = None if path is None else self._holder(path)
        if path is None or holder is None or holder["released"] or holder["job"] != job:
            return False
        write_json(path, {**holder, "released": True})
        return True

    def clear(self, key: str) -> None:
        """Remove all leases on an artifact that is complete."""
        for path in sorted(self.folder.glob(f"{key}.*"), key=_generation):
            path.unlink(missing_ok=True)

    def live(self) -> dict[str, dict[str, Any]]:
        """Holder by key of all that is being made now."""
        newest: dict[str, Path] = {}
        for path in sorted(self._files(), key=_generation):
            newest[path.stem] = path
        holders = {key: self._holder(path) for key, path in newest.items() if self._alive(path)}
        return {key: holder for key, holder in holders.items() if holder is not None}

    def _files(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [path for path in self.folder.iterdir() if not path.name.startswith(".")]

    def _newest(self, key: str) -> tuple[int, Path | None]:
        paths = sorted(self.folder.glob(f"{key}.*"), key=_generation)
        return (_generation(paths[-1]), paths[-1]) if paths else (-1, None)

    def _holder(self, path: Path) -> dict[str, Any] | None:
        try:
            holder: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return holder

    def _alive(self, path: Path) -> bool:
        holder = self._holder(path)
        if holder is None:
            return self._age(path) < UNREADABLE_FOR
        if holder["released"] or _begun_anew(holder):
            return False
        if holder["host"] == socket.gethostname():
            return is_running(holder["pid"], holder["started"])
        return self._age(path) < STALE_AFTER

    def _fallen(self, path: Path) -> dict[str, Any] | None:
        holder = self._holder(path)
        return holder if holder and not holder["released"] and _begun_anew(holder) else None

    def _age(self, path: Path) -> float:
        """Seconds since the last refresh, by the clock of the file system that stores the lease."""
        clock = self.folder / f".clock.{socket.gethostname()}.{os.getpid()}"
        try:
            clock.touch()
            age = clock.stat().st_mtime - path.stat().st_mtime
        except FileNotFoundError:
            return float("inf")
        finally:
            clock.unlink(missing_ok=True)
        return age


def whoami() -> dict[str, Any]:
    """This process, so that any other process can tell whether it still runs."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": _started(psutil.Process()),
        **_cluster_job(),
    }


def _cluster_job() -> dict[str, Any]:
    """The job of a cluster that this process belongs to, how often it was begun anew, and the node's name.

    The last element of an array has the number of the whole as its own: `123` may mean all, `123_4` never.
    """
    array, element = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{element}" if array and element else os.environ.get("SLURM_JOB_ID")
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    return {"job": job, "restarts": restarts, "node": os.environ.get("SLURMD_NODENAME")}


def _begun_anew(holder: Mapping[str, Any]) -> bool:
    """Whether the holder's job is the one we are, put back into the queue since: then the holder is dead."""
    ours = _cluster_job()
    return ours["job"] is not None and holder["job"] == ours["job"] and holder["restarts"] < ours["restarts"]


def is_running(pid: int, started: float) -> bool:
    """Whether that very process runs (a number may have been given to another since)."""
    try:
        process = psutil.Process(pid)
        return abs(_started(process) - started) < SAME_START and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _started(process: psutil.Process) -> float:
    """Seconds from boot to the start of a process: no correction of the clock moves it."""
    return float(process.create_time() - psutil.boot_time())


def _generation(path: Path) -> int:
    return int(path.suffix.removeprefix("."))
