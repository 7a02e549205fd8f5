"""Reads what training wrote, or what it starts from, as a plain model of transformers."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from experiments import lora, pretrained
from orchestrator.refusal import Refused


def read(folder: Path, dtype: str, base: Path | None) -> Any:
    """The model of a base or of a checkpoint; adapters are merged into the weights of their base.

    Raises Refused where those weights are no longer where the base says they lie, and where some are missing
    or of another shape than the configuration says: they would be random.
    """
    if lora.has_adapters(folder):
        if base is None:
            raise Refused(f"{folder} holds adapters, which need the base that they were trained on")
        return lora.merged(read(base, dtype, None), folder)
    if pretrained.refers(folder):
        return pretrained.load(folder, dtype, "sdpa")
    return _plain(folder, dtype)


def _plain(folder: Path, dtype: str) -> Any:
    logging.disable_progress_bar()
    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # to be named below
        )
    except ValueError as error:
        raise Refused(f"transformers cannot load {folder}: {error}") from error
    if missing := sorted(found["missing_keys"]):
        raise Refused(f"{folder} has no {missing[0]} (and {len(missing) - 1} more weights are missing)")
    if wrong := sorted(found["mismatched_keys"], key=str):
        raise Refused(f"{folder} has weights of other shapes than its config.json says: {wrong[0]}")
    return model
