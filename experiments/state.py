"""State on disk: what a stage leaves to its next maker, whole or unusable, and for the same artifact only."""

import contextlib
import hashlib
import json
import logging
import math
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from orchestrator.files import flush, read_json, sha256, write_json

FORMAT = 1
# Another release of these may compute other last bits, and one artifact would hold numbers of both.
LIBRARIES = ("numpy", "torch", "transformers", "peft")

logger = logging.getLogger(__name__)


class UnusableError(Exception):
    """Says why a state cannot be resumed from."""


# What goes wrong while a state is written: the disk, in words of Python or of the library.
WRITE_ERRORS = (OSError, SafetensorError)


def identity(kind: str, spec: Mapping[str, Any], inputs: Mapping[str, Path]) -> str:
    """Hash what an artifact is made from, and the libraries that compute it."""
    made_from = {
        "format": FORMAT,
        "kind": kind,
        "spec": spec,
        "inputs": {role: _key(folder) for role, folder in inputs.items()},
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }
    return _digest(made_from)


def _key(folder: Path) -> str | None:
    """The key of an artifact; a folder that was never published has none."""
    with contextlib.suppress(FileNotFoundError):
        return str(read_json(folder / "manifest.json")["key"])
    return None


@dataclass(frozen=True)
class State:
    """A training after so many steps."""

    step: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Resumed:
    """After which step a training goes on (0: at its beginning), and how many states could not be used."""

    step: int
    passed_over: int


class States:
    """The two newest states of one training: `<step>.safetensors`, then `<step>.json` to complete it."""

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder = folder
        self._identity = identity
        self._good: str | None = None  # the file name, without suffix, of the newest that is known to be good

    def save(self, state: State) -> None:
        """Write a state beside the one before, and remove all others; raises one of WRITE_ERRORS."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = str(state.step)
        sha256 = _write_tensors(self._folder / f"{name}.safetensors", state.tensors)
        content = {"step": state.step, "tensors_sha256": sha256, "facts": state.facts}
        write_checked(self._folder / f"{name}.json", self._identity, content)
        self._remove_all_but(name, self._good)
        self._good = name

    def resume(self, restore: Callable[[State], None]) -> Resumed:
        """Call `restore` with the newest state that is whole, of this artifact and not unusable to it.

        Says on stderr which were passed over, and why.
        """
        passed_over = 0
        for path in self._newest_first():
            try:
                state = self._read(path)
                restore(state)
            except UnusableError as error:
                passed_over += 1
                pass_over(path, error)
            else:
                self._good = path.stem
                return Resumed(state.step, passed_over)
        return Resumed(0, passed_over)

    def _newest_first(self) -> list[Path]:
        """By what they say, as far as they can be read; the others come first, to be passed over aloud."""
        steps = {}
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(UnusableError):
                steps[path] = read_checked(path, self._identity)["step"]
        return sorted(self._folder.glob("*.json"), key=lambda path: -steps.get(path, math.inf))

    def _read(self, path: Path) -> State:
        content = read_checked(path, self._identity)
        tensors = _read_tensors(path.with_suffix(".safetensors"), content["tensors_sha256"])
        return State(content["step"], tensors, content["facts"])

    def _remove_all_but(self, *names: str | None) -> None:
        kept = {f"{name}{suffix}" for name in names for suffix in (".json", ".safetensors")}
        for path in self._folder.iterdir():
            if path.name not in kept:
                path.unlink(missing_ok=True)


def pass_over(path: Path, error: UnusableError) -> None:
    """Say on stderr that a state is not used, and why."""
    logger.warning("%s is not resumed from: %s", path, error)


def write_checked(path: Path, identity: str, content: Any) -> None:
    """Write JSON that `read_checked` will recognise."""
    body = {"identity": identity, "content": content}
    write_json(path, {"sha256": _digest(body), **body})
    flush(path)


def read_checked(path: Path, identity: str) -> Any:
    """Read what `write_checked` wrote; raises UnusableError where it is damaged or of another artifact."""
    try:
        document = read_json(path)
        body = {name: document[name] for name in ("identity", "content")}
        whole = document["sha256"] == _digest(body)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnusableError(f"it is damaged ({error})") from error
    if not whole:
        raise UnusableError("it is damaged (its digest is another)")
    if body["identity"] != identity:
        raise UnusableError("it belongs to another artifact, or was made with other libraries")
    return body["content"]


def _write_tensors(path: Path, tensors: dict[str, Tensor]) -> str:
    aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        save_file(tensors, aside)
        flush(aside)
        digest = sha256(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return digest


def _read_tensors(path: Path, digest: str) -> dict[str, Tensor]:
    try:
        if sha256(path) != digest:
            raise UnusableError("its tensors are damaged (their digest is another)")
        return dict(load_file(path))
    except WRITE_ERRORS as error:
        raise UnusableError(f"its tensors cannot be read ({error})") from error


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
