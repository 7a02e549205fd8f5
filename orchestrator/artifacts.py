"""The store: artifacts on the shared file system, each complete or absent."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.files import flush, read_json, sha256, write_json
from orchestrator.identity import KINDS, Artifact, Kind

MANIFEST = "manifest.json"
TOMBSTONE = "tombstone.json"  # in place of weights; what it names is gone, or about to go
EVICTABLE: frozenset[Kind] = frozenset({"trunk", "checkpoint"})  # what has weights that may be made again


class Store:
    """Folders `<outputs>/artifacts/<kind>/<key>`, published by one atomic rename."""

    def __init__(self, outputs: Path) -> None:
        self.root = outputs / "artifacts"

    def folder(self, kind: Kind, key: str) -> Path:
        """Where the artifact lies, or will lie."""
        return self.root / kind / key

    def has(self, kind: Kind, key: str) -> bool:
        """Whether the artifact is complete."""
        return (self.folder(kind, key) / MANIFEST).exists()

    def evicted(self, kind: Kind, key: str) -> bool:
        """Whether a tombstone stands for its weights: good for the records there are, not for new ones."""
        return (self.folder(kind, key) / TOMBSTONE).exists()

    def whole(self, kind: Kind, key: str) -> bool:
        """Whether the artifact is complete and nothing of it was evicted: others can be made from it."""
        return self.has(kind, key) and not self.evicted(kind, key)

    def keys(self, kind: Kind) -> set[str]:
        """All complete artifacts of a kind, by one listing of its folder."""
        folder = self.root / kind
        if not folder.is_dir():
            return set()
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
        return {name for name in names if (folder / name / MANIFEST).exists()}

    def complete(self, artifacts: Iterable[Artifact]) -> set[str]:
        """The keys of those that are complete."""
        on_disk = {kind: self.keys(kind) for kind in KINDS}
        return {artifact.key for artifact in artifacts if artifact.key in on_disk[artifact.kind]}

    def without_weights(self, artifacts: Iterable[Artifact]) -> set[str]:
        """The keys of those that a tombstone stands for."""
        return {one.key for one in artifacts if one.kind in EVICTABLE and self.evicted(one.kind, one.key)}

    def manifest(self, kind: Kind, key: str) -> dict[str, Any]:
        """What was written beside the payload. Raises FileNotFoundError for what is not complete."""
        manifest: dict[str, Any] = read_json(self.folder(kind, key) / MANIFEST)
        return manifest

    def start(self, artifact: Artifact) -> Path:
        """A private folder to make the artifact in, on the same file system as its final place."""
        folder = self.root / artifact.kind / f".{artifact.key}.{os.getpid()}.{secrets.token_hex(4)}"
        folder.mkdir(parents=True)
        return folder

    def state_folder(self, key: str) -> Path:
        """Where the stage that makes an artifact keeps what its next maker resumes from."""
        return self.root / ".states" / key

    def publish(
        self, artifact: Artifact, made: Path, summary: Mapping[str, Any], provenance: Mapping[str, Any]
    ) -> bool:
        """Write the manifest and move the folder into place; False if another maker was first.

        What the artifact would have been resumed from is removed.

        Raises OSError where the disk refuses: then nothing is visible and the private folder is gone.
        """
        try:
            files = {name: _described(made / name) for name in _payload(made)}
            manifest = {
                "kind": artifact.kind,
                "key": artifact.key,
                "spec": artifact.spec,
                "inputs": dict(artifact.inputs),
                "summary": dict(summary),
                "files": files,
                "provenance": {**provenance, **self._likeness(artifact, files)},
            }
            write_json(made / MANIFEST, manifest)
            flush(made / MANIFEST)
            published = self._move(artifact, made)
            self.discard_state(artifact.key)
            return published
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _likeness(self, artifact: Artifact, files: Mapping[str, Any]) -> dict[str, bool]:
        """Whether what was evicted is back byte for byte: records from before are of those weights."""
        if not self.evicted(artifact.kind, artifact.key):
            return {}
        before = read_json(self.folder(artifact.kind, artifact.key) / TOMBSTONE)["files"]
        return {"as_evicted": before.items() <= files.items()}

    def discard_unfinished(self, artifact: Artifact) -> None:
        """Remove what dead makers left; only the holder of the artifact's lease may call this."""
        for stale in (self.root / artifact.kind).glob(f".{artifact.key}.*"):
            shutil.rmtree(stale, ignore_errors=True)

    def discard_state(self, key: str) -> None:
        """Remove what a stage would resume from: the next maker begins at the beginning."""
        shutil.rmtree(self.state_folder(key), ignore_errors=True)

    def _move(self, artifact: Artifact, made: Path) -> bool:
        final = self.folder(artifact.kind, artifact.key)
        aside = made.with_name(f"{made.name}.replaced")
        if final.exists() and not self.whole(artifact.kind, artifact.key):
            # Somebody took the manifest away by hand, or weights are back where only a tombstone was.
            final.rename(aside)
        try:
            made.rename(final)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        shutil.rmtree(aside, ignore_errors=True)
        with contextlib.suppress(OSError):  # some shared file systems cannot flush a folder
            flush(final.parent)
        return True


def _payload(folder: Path) -> list[str]:
    """What was made; what a base only links to is not, and may be a hundred gigabytes."""
    made = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(str(path.relative_to(folder)) for path in made)


def _described(path: Path) -> dict[str, Any]:
    """Digest and size of a payload file, which is on the disk when this returns."""
    digest = sha256(path)
    flush(path)
    return {"sha256": digest, "bytes": path.stat().st_size}
