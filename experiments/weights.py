"""The files of a model that count: which they are, whether they are whole, and a digest of their content."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.hub import CONFIGURATION, INDEX, SINGLE
from orchestrator.files import read_json, sha256, write_json
from orchestrator.refusal import Refused

# Beside the weights, what a tokenizer or the shape of the model is read from.
PATTERNS = (
    CONFIGURATION,
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "chat_template*",
)
# Files from this size on are read once, and their digests remembered by path, size and time of change.
LARGE = 1 << 26
HEADER = 8  # bytes that say how long the header of a safetensors file is


@dataclass(frozen=True)
class Files:
    """The files of a model by name, small ones and weights apart."""

    folder: Path
    small: tuple[str, ...]
    weights: tuple[str, ...]

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Names and places, sorted by name."""
        for name in sorted((*self.small, *self.weights)):
            yield name, self.folder / name


def files_of(folder: Path) -> Files:
    """What is there. Raises Refused where something is missing, or weights were cut off."""
    if not (folder / CONFIGURATION).is_file():
        raise Refused(
            f"{folder} holds no model, as it has no {CONFIGURATION}: give a folder in the hub's layout"
        )
    small = {path.name for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()}
    weights = _weights(folder)
    if len(weights) > 1:
        small.add(INDEX)
    for name in weights:
        _check_whole(folder / name)
    return Files(folder, tuple(sorted(small)), weights)


def digests(files: Files) -> dict[str, str]:
    """The SHA-256 of each file; of large ones as it was when they were last read."""
    return {name: _remembered(path.resolve()) for name, path in files.paths()}


def digest_of(content: dict[str, str]) -> str:
    """One digest for all files and their names."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _weights(folder: Path) -> tuple[str, ...]:
    if (folder / SINGLE).is_file():
        return (SINGLE,)
    if not (folder / INDEX).is_file():
        pickled = next(iter(sorted(folder.glob("*.bin"))), None)
        there = f"; {pickled.name} is a pickle, which may run code when it is read" if pickled else ""
        raise Refused(
            f"{folder} has neither {SINGLE} nor {INDEX}{there}: give a model saved as safetensors "
            "(`save_pretrained` of transformers does)"
        )
    try:
        named = {str(name) for name in read_json(folder / INDEX)["weight_map"].values()}
    except (ValueError, KeyError, AttributeError) as error:
        raise Refused(f"{folder / INDEX} is damaged ({error}): fetch it again") from error
    outside = sorted(name for name in named if Path(name).name != name)
    missing = sorted(name for name in named if not (folder / name).is_file())
    if outside or missing:
        raise Refused(f"{folder} lacks {', '.join(outside or missing)}, which {INDEX} names: fetch it again")
    return tuple(sorted(named))


def _check_whole(path: Path) -> None:
    """By its header, which says where the last tensor ends."""
    size = path.stat().st_size
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(HEADER), "little")
            header = json.loads(stream.read(length)) if length < size else {}
        tensors = [value for name, value in header.items() if name != "__metadata__"]
        whole = size == HEADER + length + max(tensor["data_offsets"][1] for tensor in tensors)
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise Refused(f"{path} is damaged or was cut off ({size:,} bytes): fetch it again")


def _remembered(path: Path) -> str:
    # The hub's client names large files in its cache by their digest, and checked it when it fetched them.
    if path.parent.name == "blobs" and re.fullmatch("[0-9a-f]{64}", path.name):
        return path.name
    stat = path.stat()
    if stat.st_size < LARGE:
        return sha256(path)
    memory = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "doublings" / "digests.json"
    known = {}
    with contextlib.suppress(OSError, ValueError):
        known = read_json(memory)
    entry = [stat.st_size, stat.st_mtime_ns]
    if known.get(str(path), [])[:2] != entry:
        known[str(path)] = [*entry, sha256(path)]
        with contextlib.suppress(OSError):  # a memory that cannot be written costs the next plan time
            write_json(memory, known)
    return str(known[str(path)][2])
