"""The weights that are to answer: what is in their folders, and that it is what was made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from experiments import lora, pretrained
from experiments.weights import digest_of, files_of
from orchestrator.files import read_json, sha256
from orchestrator.identity import digest
from orchestrator.refusal import Refused

# Of a config.json: what says nothing about the shape of the model or about what it computes.
PROVENANCE = frozenset({"transformers_version", "_name_or_path", "dtype", "torch_dtype"})


@dataclass(frozen=True)
class Weights:
    """The content of a checkpoint, by digest. Equal architectures can take each other's weights."""

    folder: Path
    base: Path | None  # of adapters, which are nothing without it
    files: Mapping[str, str]  # SHA-256 of each safetensors file, those of the base too
    architecture: str  # of the configuration and the tokenizer

    @property
    def plain(self) -> Path:
        """The folder with the configuration of the model."""
        return self.base or self.folder

    @property
    def sha256(self) -> str:
        """Of all files together."""
        return digest_of(dict(self.files))


def read_weights(folder: Path, base: Path | None) -> Weights:
    """Read every byte of the weights.

    Raises Refused where something is missing, and where they are not those that were made, or planned with.
    """
    adapters = lora.has_adapters(folder)
    if adapters and base is None:
        raise Refused(f"{folder} holds adapters, which need the base that they were trained on")
    base = base if adapters else None
    files = _verified(folder, (lora.WEIGHTS,)) if adapters else {}
    files |= _verified(base or folder, files_of(base or folder).weights)
    return Weights(folder, base, files, _architecture(base or folder, folder))


def ends_of(weights: Weights, tokenizer: Any) -> tuple[int, ...]:
    """The tokens that end an answer: that of the tokenizer, which training ends with, and the model's own."""
    own: Any = None
    if (weights.plain / "generation_config.json").is_file():
        own = GenerationConfig.from_pretrained(weights.plain).eos_token_id
    own = [] if own is None else [own] if isinstance(own, int) else own
    return tuple(dict.fromkeys([tokenizer.eos_token_id, *own]))


def _verified(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Digests as they are; held against what the folder says of itself, if it is an artifact."""
    found = {name: sha256(folder / name) for name in names}
    if pretrained.refers(folder):
        named = read_json(folder / pretrained.FILES)
    elif (folder / "manifest.json").is_file():
        named = read_json(folder / "manifest.json")["files"]
    else:
        return found
    for name, there in found.items():
        made = named.get(name, {}).get("sha256", "")
        if made != there:
            raise Refused(
                f"{folder / name} is not what was made: its digest is {there[:12]} and was "
                f"{made[:12] or 'never written down'}; remove the folder and run again"
            )
    return found


def _architecture(model: Path, tokenizer: Path) -> str:
    config = read_json(model / "config.json")
    shape = {name: value for name, value in config.items() if name not in PROVENANCE}
    vocabulary = tokenizer / "tokenizer.json"
    return digest([shape, sha256(vocabulary) if vocabulary.is_file() else None])
