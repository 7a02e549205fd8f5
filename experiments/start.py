"""What a training starts from: the weights and the tokenizer of a base, and how the result is written."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from experiments import learner as learners
from experiments import lora, pretrained
from experiments import model as models
from experiments.encode import Reading
from experiments.how import How
from experiments.hub import CONFIGURATION
from experiments.learner import Learner
from experiments.packed import attention_for, check_apart
from orchestrator.cell import Train


@dataclass(frozen=True)
class Start:
    """A model that is ready to be trained, and how texts become its tokens."""

    learner: Learner
    reading: Reading
    save: Callable[[Path], None]


def start(base: Path, spec: dict[str, Any], how: How) -> Start:
    """Read a base as the spec of a checkpoint wants it; random numbers begin with its seed."""
    train = Train.model_validate(spec["train"])
    if pretrained.refers(base):
        return _pretrained(base, spec, train, how)
    made = models.load(base)
    context = made.model.config.max_position_embeddings
    reading = Reading(made.tokenizer, spec["prompt"], context, train.too_long)
    return Start(learners.of_new(made.model, how.layout), reading, lambda into: models.save(made, into))


def _pretrained(base: Path, spec: dict[str, Any], train: Train, how: How) -> Start:
    torch.manual_seed(spec["train_seed"])  # adapters and dropout
    attention = attention_for(how.attention) if how.layout == "packed" else how.attention
    model = pretrained.load(base, spec["dtype"], attention)
    if train.lora is not None:
        model = lora.with_adapters(model, train.lora)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    if how.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if how.layout == "packed":
        check_apart(model)
    reading = Reading(pretrained.read_tokenizer(base), spec["prompt"], spec["context"], train.too_long)

    def save(into: Path) -> None:
        if train.lora is None:
            model.to(getattr(torch, spec["saved_dtype"])).save_pretrained(into)
        else:
            lora.save_adapters(model, into)
            # Some tokenizers are told by it; there is nothing else here that it describes.
            shutil.copyfile(base / CONFIGURATION, into / CONFIGURATION)
        pretrained.copy_tokenizer(base, into)

    return Start(learners.of_any(model, train.precision, how.layout), reading, save)
