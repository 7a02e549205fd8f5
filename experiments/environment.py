"""Say what a stage would run in: the Python, the packages, the GPUs, and whether the data is in reach."""

import importlib
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from orchestrator.specs import GivenSource, SymbolicSource

# What the stages import, and whose versions may move a number.
PACKAGES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "pyarrow", "datasets")
_SOURCE: TypeAdapter[GivenSource] = TypeAdapter(GivenSource)


def describe(sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`python`, `executable`, `packages` (None for one that is not there) and `out_of_reach`.

    The last has a sentence for each source, or folder of a model, that cannot be read from here; contents
    are not looked at.
    """
    reasons = (
        _why_no_folder(source["folder"]) if "folder" in source else _why_not(_SOURCE.validate_python(source))
        for source in sources
    )
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "packages": {name: _version(name) for name in PACKAGES},
        "out_of_reach": [why for why in reasons if why is not None],
    }


def gpus() -> list[str]:
    """The names of the GPUs that torch sees. Raises ImportError where torch does not load."""
    torch = importlib.import_module("torch")
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _why_no_folder(path: str) -> str | None:
    return None if os.access(Path(path), os.R_OK) else f"{path} does not exist or may not be read"


def _why_not(source: GivenSource) -> str | None:
    if isinstance(source, SymbolicSource):
        return None
    if source.path is not None:
        return _why_no_folder(source.path)
    return None if source.repo is None else _why_not_on_hub(source.repo, source.revision)


def _why_not_on_hub(repo: str, revision: str | None) -> str | None:
    datasets = importlib.import_module("datasets")
    hub = importlib.import_module("huggingface_hub")
    cache = Path(datasets.config.HF_DATASETS_CACHE)
    if (cache / repo.replace("/", "___")).is_dir():
        return None
    if datasets.config.HF_HUB_OFFLINE or hub.constants.HF_HUB_OFFLINE:
        return f"data set {repo} is not in the cache ({cache}), and HF_HUB_OFFLINE forbids to fetch it"
    try:
        hub.HfApi().dataset_info(repo, revision=revision, timeout=10)
    except Exception as error:  # noqa: BLE001 - of which kind depends on the hub's client; the sentence counts
        return f"data set {repo} is not in the cache ({cache}), and the hub does not give it: {error}"
    return None
