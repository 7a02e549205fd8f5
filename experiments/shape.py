"""The sizes of a model that its costs depend on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.world import vocabulary
from orchestrator.prompts import text_of
from orchestrator.specs import World

SPECIAL_TOKENS = 4
SYMBOLIC_CHARACTERS = 5.0  # of a word of the symbolic world, with the space before it


@dataclass(frozen=True)
class Shape:
    """`linear`: inputs and outputs of linear layers, added up by name, the head left out."""

    n_parameters: int
    n_embedding: int  # of these, in an input embedding that is not the head's
    n_layers: int
    width: int
    inner: int
    key_width: int  # of keys and of values: less than `width` where heads share them
    vocabulary: int
    characters_per_token: float
    linear: Mapping[str, int]

    def n_adapters(self, lora: Mapping[str, Any]) -> int:
        """Weights of adapters: a row for each input and a column for each output, `rank` times."""
        wanted = self.linear if lora["targets"] == "all-linear" else lora["targets"]
        return int(lora["rank"]) * sum(self.linear.get(name, 0) for name in wanted)


def of_base(base: Mapping[str, Any]) -> Shape:
    """From the spec of a base made from nothing, or from what a plan found out about a model that exists."""
    if "pretrained" in base["spec"]:
        return Shape(**base["places"][base["spec"]["pretrained"]]["shape"])
    model = base["spec"]["model"]
    width, inner, n_layers = model["hidden_size"], model["intermediate_size"], model["n_layers"]
    n_words = _n_words(model, base["spec"]["world"])
    layer = 4 * width * width + 3 * width * inner + 2 * width
    return Shape(
        n_parameters=n_words * width + n_layers * layer + width,
        n_embedding=0,
        n_layers=n_layers,
        width=width,
        inner=inner,
        key_width=width,
        vocabulary=n_words,
        characters_per_token=SYMBOLIC_CHARACTERS,
        linear={},
    )


def _n_words(model: Mapping[str, Any], world: Mapping[str, Any]) -> int:
    if model["tokenizer"] != "words":
        return int(model["vocabulary"])
    words = vocabulary(World.model_validate(world))
    prompt = text_of(model["prompt"]).replace("{query}", " ").split()
    return len({*prompt, *words}) + SPECIAL_TOKENS
