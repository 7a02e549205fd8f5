"""What a base is made from: nothing, or a model that exists; and what cannot be trained from either."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.cell import Cell, NewModel, PretrainedModel, Train
from orchestrator.facts import Facts
from orchestrator.identity import Artifact
from orchestrator.prompts import CHAT, text_of
from orchestrator.refusal import Refused


@dataclass(frozen=True)
class Origin:
    """A base's spec, its inputs by role, and where the files that the spec knows by digest lie."""

    spec: dict[str, Any]
    inputs: dict[str, str]
    places: Mapping[str, Any]


def origin(cell: Cell, seed: Artifact, facts: Facts) -> Origin:
    """Raises Refused for a model that is not there, and for settings that cannot go together."""
    model, version = cell.model, facts.versions()["base"]
    if isinstance(model, PretrainedModel):
        _refuse_for_pretrained(model, cell.train)
        found = facts.model(model)
        return Origin({"version": version, "pretrained": found["digest"]}, {}, {found["digest"]: found})
    _refuse_for_new(model, cell)
    source = cell.data.seed
    spec = {
        "version": version,
        "model": {
            **model.model_dump(mode="json", exclude={"kind", "name"}),
            "prompt": text_of(model.prompt),
        },
        "world": source.world.model_dump(mode="json") if source.kind == "symbolic" else None,
        "decontaminate": seed.spec["decontaminate"],
    }
    return Origin(spec, {"seed": seed.key} if model.tokenizer == "bpe" else {}, seed.places)


def loading(cell: Cell) -> dict[str, Any]:
    """What a checkpoint's spec says of how a model that exists is read; a new one has it from its base."""
    model = cell.model
    return {"context": model.context, "dtype": model.dtype} if isinstance(model, PretrainedModel) else {}


def recipe(train: Train) -> dict[str, Any]:
    """A recipe as it enters keys: without what it leaves at its default."""
    return train.model_dump(mode="json", exclude_defaults=True)


def _refuse_for_pretrained(model: PretrainedModel, train: Train) -> None:
    if train.rehearsal:
        raise Refused(
            f"train.rehearsal={train.rehearsal} repeats what the base was pretrained on, which nobody has "
            f"for model '{model.name}': set train.rehearsal=0"
        )
    if model.dtype == "bfloat16" and train.lora is None:
        raise Refused(
            "model.dtype=bfloat16 loses the small steps of fine-tuning in the rounding of the weights: set "
            "model.dtype=float32 with train.precision=bfloat16, or train adapters (train.lora)"
        )


def _refuse_for_new(model: NewModel, cell: Cell) -> None:
    train = cell.train
    if cell.data.seed.kind != "symbolic" and (model.tokenizer == "words" or model.pretrain):
        raise Refused(
            f"model '{model.name}' learns words of a symbolic world, but data '{cell.data.name}' "
            "is a table: choose a model with tokenizer=bpe and pretrain=null"
        )
    if model.hidden_size % (2 * model.n_heads):
        raise Refused(
            f"model.hidden_size={model.hidden_size} must be a multiple of twice "
            f"model.n_heads={model.n_heads}: a head has an even number of dimensions"
        )
    if model.tokenizer == "bpe" and model.vocabulary is None:
        raise Refused("model.vocabulary has no value: tokenizer=bpe needs a size, for example 2048")
    if model.prompt == CHAT:
        raise Refused(
            "model.prompt=chat is for pretrained models: the tokenizer of a new one has no template"
        )
    if train.rehearsal and model.pretrain is None:
        raise Refused(
            f"train.rehearsal={train.rehearsal} repeats what the base was pretrained on, but "
            f"model '{model.name}' has pretrain=null: set train.rehearsal=0"
        )
    if train.lora or train.precision != "float32":
        raise Refused(
            f"model '{model.name}' is made from nothing, and all its weights are trained in float32: set "
            "train.lora=null and train.precision=float32, or choose a pretrained model"
        )
