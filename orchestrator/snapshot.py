"""The code a study runs: copied at submission, so that edits do not reach jobs that wait."""

import hashlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("orchestrator", "experiments", "analysis", "hydra_plugins", "conf")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Snapshot:
    """A frozen copy of the packages, and the digest of its content."""

    folder: Path
    digest: str


def take(into: Path, root: Path = ROOT) -> Snapshot:
    """Copy tracked and untracked-but-not-ignored files to `into/<digest>`, unless they are there."""
    names = _files(root)
    contents = {name: (root / name).read_bytes() for name in names}
    digest = hashlib.blake2b(digest_size=8)
    for name, content in contents.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    folder = into / digest.hexdigest()
    if not folder.is_dir():
        _write(folder, contents)
    return Snapshot(folder, digest.hexdigest())


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        for name, content in contents.items():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            (aside / name).write_bytes(content)
        try:
            aside.rename(folder)
        except OSError:
            # Another run of the same code may have been first; its copy serves both.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def commit(root: Path = ROOT) -> tuple[str | None, bool | None]:
    """The git commit and whether the tree differs from it; None where there is no git."""
    head = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", *PACKAGES)
    if head is None or changes is None:
        return None, None
    return head.strip(), bool(changes.strip())


def _files(root: Path) -> list[str]:
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PACKAGES)
    if listed:
        names = [name for name in listed.split("\0") if name and (root / name).is_file()]
    else:
        paths = [path for package in PACKAGES for path in (root / package).rglob("*") if path.is_file()]
        names = [str(path.relative_to(root)) for path in paths if "__pycache__" not in path.parts]
    return sorted(set(names))


def _git(root: Path, *arguments: str) -> str | None:
    try:
        ran = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return ran.stdout
