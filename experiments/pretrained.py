"""A model that exists: what a plan must know of it, the base that refers to it, and how it is read."""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging

from experiments.hub import folder_of
from experiments.prompts import check_chat
from experiments.shape import Shape
from experiments.weights import digest_of, digests, files_of
from orchestrator.cell import PretrainedModel
from orchestrator.files import read_json, sha256, write_json
from orchestrator.prompts import CHAT
from orchestrator.refusal import Refused

# In a base: the digest and size of every file; its weights are links to where they lie.
FILES = "files.json"
# How many characters a token of this tokenizer stands for is measured on a text as solutions are.
SAMPLE = (
    "Each of the 14 boxes holds 36 pencils, so there are 14 * 36 = 504 pencils in all.\n"
    "A quarter of them, 504 / 4 = 126, is sold for $0.75 each, which brings 126 * 0.75 = $94.50.\n"
    "The answer is 94.5"
)


def inspect(given: Mapping[str, Any]) -> dict[str, Any]:
    """`digest` and `folder` of a model, its `shape`, and whether it has `dropout` in training.

    Raises Refused for one that is not there or not whole, that needs code of its own, whose tokenizer has
    no end or lacks the template asked for, or whose context is shorter than the one asked for.
    """
    model = PretrainedModel.model_validate(given)
    folder = folder_of(model.path, model.repo, model.revision)
    files = files_of(folder)
    config, tokenizer = _config(folder), read_tokenizer(folder)
    if model.prompt == CHAT:
        check_chat(tokenizer)
    longest = getattr(config, "max_position_embeddings", None)
    if longest is not None and model.context > longest:
        raise Refused(
            f"model.context={model.context} is above the {longest} tokens that {folder} was made for"
        )
    n_tokens = len(tokenizer(SAMPLE, add_special_tokens=False, verbose=False)["input_ids"])
    shape = shape_of(config, round(len(SAMPLE) / n_tokens, 3))
    if len(tokenizer) > shape.vocabulary:
        raise Refused(
            f"the tokenizer of {folder} has {len(tokenizer)} tokens and the model only {shape.vocabulary}: "
            "they do not belong together"
        )
    return {
        "digest": digest_of(digests(files)),
        "folder": str(folder),
        "shape": asdict(shape),
        "dropout": drops_out(config),
    }


def shape_of(config: Any, characters_per_token: float) -> Shape:
    """The sizes of the model that a config describes, of which no weight is made."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    head, embedding = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    linear: dict[str, int] = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear | Conv1D) and module.weight is not head:
            last = name.rpartition(".")[2]
            linear[last] = linear.get(last, 0) + sum(module.weight.shape)
    text = config.get_text_config()
    heads = text.num_attention_heads
    shared = getattr(text, "num_key_value_heads", None) or heads
    return Shape(
        n_parameters=sum(weight.numel() for weight in model.parameters()),
        n_embedding=0 if embedding is head else embedding.numel(),
        n_layers=text.num_hidden_layers,
        width=text.hidden_size,
        inner=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        key_width=text.hidden_size * shared // heads,
        vocabulary=len(embedding),
        characters_per_token=characters_per_token,
        linear=linear,
    )


def drops_out(config: Any) -> bool:
    """Whether a model of this config draws what it leaves out; each architecture has names of its own."""
    shares = (value for name, value in config.to_dict().items() if re.search("drop", name))
    return any(isinstance(share, float) and share > 0 for share in shares)


def link(place: str, digest: str, into: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Write a base that refers to the weights where they lie, after every byte was read; its summary.

    Raises Refused where the content is no longer what was planned with.
    """
    files, found = files_of(Path(place)), {}
    total, done = sum(path.stat().st_size for _, path in files.paths()), 0
    for name, path in files.paths():
        progress(done / total, f"verifying {name}")
        found[name] = sha256(path)
        done += path.stat().st_size
    if digest_of(found) != digest:
        raise Refused(
            f"the model in {place} has changed since the study was planned, or is damaged: run the study "
            "again to plan with what is there now"
        )
    for name in files.small:
        shutil.copyfile(files.folder / name, into / name)
    for name in files.weights:
        (into / name).symlink_to((files.folder / name).resolve())
    listed = {name: {"sha256": found[name], "bytes": path.stat().st_size} for name, path in files.paths()}
    write_json(into / FILES, listed)
    return {"n_bytes": total, "n_files": len(listed)}


def load(folder: Path, dtype: str, attention: str) -> Any:
    """The weights of a base that `link` wrote. Raises Refused where they are gone or not all there."""
    _check_links(folder)
    logging.disable_progress_bar()
    model, found = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        attn_implementation=attention,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    if found["missing_keys"]:
        named = ", ".join(sorted(found["missing_keys"])[:3])
        raise Refused(f"the weights of {folder} lack {named}: they are of another model than its config.json")
    # A downloaded model may come with sampling of its own, which is not saved unless it is consistent.
    model.generation_config = GenerationConfig.from_model_config(model.config)
    return model


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder. Raises Refused where there is none, or it knows no end of a text."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        raise Refused(f"{folder} has no tokenizer that can be read ({_first_line(error)})") from error
    if tokenizer.eos_token_id is None:
        raise Refused(
            f"the tokenizer of {folder} has no end token (eos_token), so a model could never learn to stop: "
            "name one in its tokenizer_config.json"
        )
    return tokenizer


def copy_tokenizer(base: Path, into: Path) -> None:
    """Write the tokenizer of a base beside other weights, byte for byte."""
    for path in files_of(base).small:
        if path.startswith(("tokenizer", "special", "added", "vocab", "merges", "chat")):
            shutil.copyfile(base / path, into / path)


def refers(folder: Path) -> bool:
    """Whether a base refers to a model that exists, and was not made from nothing."""
    return (folder / FILES).exists()


def _check_links(folder: Path) -> None:
    for name, known in read_json(folder / FILES).items():
        path = folder / name
        if not path.exists():
            raise Refused(
                f"{path.readlink()} is gone, where weights of the base {folder} lie: put it back, or remove "
                "that folder and run the study again with model.path=FOLDER"
            )
        if path.stat().st_size != known["bytes"]:
            raise Refused(f"{path.resolve()} has changed since {folder} was made: put the old file back")


def _config(folder: Path) -> Any:
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise Refused(
            f"{folder} holds no model that transformers knows ({_first_line(error)}); code that comes with a "
            "model is never run"
        ) from error
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise Refused(f"{folder} holds a {config.model_type}, which is no causal language model")
    return config


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
