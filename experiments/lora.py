"""Low-rank adapters: put onto a model, saved by themselves, and merged into the weights again."""

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers.pytorch_utils import Conv1D

from orchestrator.cell import Lora
from orchestrator.refusal import Refused

CONFIGURATION, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def with_adapters(model: Any, lora: Lora) -> Any:
    """The model with adapters that change nothing yet, drawn from torch's generator; they alone are trained.

    Raises Refused where no layer has one of the names of `targets`.
    """
    targets = lora.targets if lora.targets == "all-linear" else list(lora.targets)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
        # GPT-2 keeps its weights the other way round.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise Refused(f"train.lora.targets={lora.targets} does not fit this model: {error}") from error


def save_adapters(model: Any, folder: Path) -> None:
    """Write what evaluation loads beside the base: for the same adapters always the same bytes."""
    tensors = {name: tensor.contiguous() for name, tensor in get_peft_model_state_dict(model).items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = {
        **model.peft_config["default"].to_dict(),
        "base_model_name_or_path": None,
        "inference_mode": True,
    }
    text = json.dumps(config, indent=1, sort_keys=True, default=_plain)
    (folder / CONFIGURATION).write_text(text + "\n", encoding="utf-8")


def has_adapters(folder: Path) -> bool:
    """Whether a checkpoint holds adapters, and no weights of its own."""
    return (folder / CONFIGURATION).exists()


def merged(model: Any, folder: Path) -> Any:
    """The base's model with the adapters of a folder added to its weights: nothing is left of them."""
    with torch.no_grad():
        return PeftModel.from_pretrained(model, str(folder)).merge_and_unload()


def _plain(value: Any) -> Any:
    """Sets come in any order, and enumerations are texts."""
    return sorted(value) if isinstance(value, set | frozenset) else str(getattr(value, "value", value))
