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

    Raises Refused where those weights are no longer where the base says they lie.
    """
    if lora.has_adapters(folder):
        if base is None:
            raise Refused(f"{folder} holds adapters, which need the base that they were trained on")
        return lora.merged(read(base, dtype, None), folder)
    if pretrained.refers(folder):
        return pretrained.load(folder, dtype, "sdpa")
    logging.disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
