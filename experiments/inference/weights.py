"""A folder of weights: what is in it, and that it is what its manifest says."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from orchestrator.files import read_json
from orchestrator.refusal import Refused

# Of a config.json: what says nothing about the shape of the model or about what it computes.
PROVENANCE = frozenset({"transformers_version", "_name_or_path", "dtype", "torch_dtype"})


@dataclass(frozen=True)
class Weights:
    """The content of a folder, by digest. Equal architectures can take each other's weights."""

    folder: Path
    files: Mapping[str, str]  # SHA-256 of each safetensors file
    architecture: str  # of the configuration and the tokenizer

    @property
    def sha256(self) -> str:
        """Of all files together."""
        return _digest(dict(self.files))


def read_weights(folder: Path) -> Weights:
    """Read every byte of the weights.

    Raises Refused where there are none, where there is no tokenizer, and where they are not those that the
    folder's manifest names.
    """
    if not (folder / "config.json").is_file():
        raise Refused(f"{folder} has no config.json: it is no folder of a transformers model")
    if not (folder / "tokenizer.json").is_file() and not (folder / "tokenizer_config.json").is_file():
        raise Refused(f"{folder} has no tokenizer (tokenizer.json): copy that of its base there")
    files = {path.name: _file_digest(path) for path in sorted(folder.glob("*.safetensors"))}
    if not files:
        raise Refused(f"{folder} has no *.safetensors: the weights were removed, or are of another format")
    _check_against_manifest(folder, files)
    return Weights(folder, files, _architecture(folder))


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder: no code of its own, no network. Raises Refused where it has no end token."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if tokenizer.eos_token_id is None:
        raise Refused(f"the tokenizer in {folder} has no end token: no answer would ever end")
    return tokenizer


def _check_against_manifest(folder: Path, files: Mapping[str, str]) -> None:
    """Without one the folder is no artifact, and there is nothing to hold it against."""
    if not (folder / "manifest.json").is_file():
        return
    named = read_json(folder / "manifest.json")["files"]
    for name, digest in files.items():
        wanted = named.get(name, {}).get("sha256")
        if wanted != digest:
            raise Refused(
                f"{folder / name} is not what was made: its digest is {digest[:12]} and its manifest says "
                f"{wanted[:12] if wanted else 'nothing of it'}; remove the folder and run again"
            )
    if missing := sorted(name for name in named if name.endswith(".safetensors") and name not in files):
        raise Refused(f"{folder} has lost {missing[0]}; remove the folder and run again")


def _architecture(folder: Path) -> str:
    config = read_json(folder / "config.json")
    shape = {name: value for name, value in config.items() if name not in PROVENANCE}
    vocabulary = folder / "tokenizer.json"
    return _digest([shape, _file_digest(vocabulary) if vocabulary.is_file() else None])


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
