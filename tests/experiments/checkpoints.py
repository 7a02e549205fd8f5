"""Weights that have learnt nothing, but whose every word is decided: folders for back ends to answer with."""

from pathlib import Path
from typing import Any

import torch

from experiments import checkpoint
from experiments.lora import save_adapters, with_adapters
from experiments.model import Pretrained, new_llama, save, words_tokenizer
from experiments.pretrained import copy_tokenizer
from experiments.world import vocabulary
from orchestrator.cell import Lora, NewModel
from tests.experiments.training import WORLD

CONTEXT = 256
# Longer than what vLLM's cache keeps together, so that prompts share a part of it.
PREFIX = " ".join(f"word{number}" for number in range(140))
PROMPT = f"{PREFIX} {{query}} ->"
MODEL: dict[str, Any] = {
    "kind": "new",
    "name": "tiny",
    "hidden_size": 64,
    "intermediate_size": 96,
    "n_layers": 2,
    "n_heads": 2,
    "context": CONTEXT,
    "tokenizer": "words",
    "vocabulary": None,
    "prompt": PROMPT,
    "pretrain": None,
}
TEST = {"kind": "symbolic", "world": WORLD.model_dump(), "part": "test", "n_items": 40}
SPEC: dict[str, Any] = {
    "version": 1,
    "source": TEST,
    "prompt": PROMPT,
    "max_new_tokens": 24,
    "likelihood": True,
    "dtype": "float32",
    "context": CONTEXT,
}


def write_checkpoint(folder: Path, seed: int, **changes: Any) -> Path:
    """A tied Llama with weights of its own."""
    tokenizer = words_tokenizer([*PROMPT.split(), *vocabulary(WORLD)], CONTEXT)
    llama = new_llama(NewModel.model_validate({**MODEL, "init_seed": seed, **changes}), tokenizer)
    with torch.no_grad():
        for weight in llama.parameters():
            weight.mul_(6.0)
    save(Pretrained(llama, tokenizer), folder)
    return folder


def write_adapters(base: Path, folder: Path) -> Path:
    """Adapters that change every answer of their base."""
    folder.mkdir()
    lora = Lora(rank=4, alpha=8, dropout=0.0, targets="all-linear")
    model = with_adapters(checkpoint.read(base, "float32", None), lora)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(0.0, 0.3, generator=generator)
    save_adapters(model, folder)
    copy_tokenizer(base, folder)
    return folder
