"""Queries as dense vectors: sentence embeddings, or the hidden states of a model that was fine-tuned."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments import checkpoint
from experiments.compute import settle
from experiments.distances import Floats, topics_of
from experiments.pretrained import read_tokenizer
from experiments.prompts import prompt_tokens
from orchestrator.artifacts import Store
from orchestrator.refusal import Refused

Embed = Callable[[Sequence[str]], Floats]
TOGETHER = 32  # texts that go through a model at once


class Vectors:
    """Texts by what a model makes of them, in few dimensions as given texts are spread; each is read once."""

    def __init__(self, texts: Sequence[str], embed: Embed) -> None:
        self._embed = embed
        self._known: dict[str, Floats] = {}
        self._topics = topics_of(self.rows(texts))

    def rows(self, texts: Sequence[str]) -> Floats:
        """A row of unit length for each text."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            found = self._embed(new)
            lengths = np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.finfo(float).tiny)
            self._known |= dict(zip(new, found / lengths, strict=True))
        return np.stack([self._known[text] for text in texts])

    def topics(self, texts: Sequence[str]) -> Floats:
        """The same in few dimensions."""
        reduced: Floats = self._topics.transform(self.rows(texts))
        return reduced


def sentence_embeddings(model: str) -> Embed:
    """What a model of sentence-transformers makes of a text; a folder, or a name in the hub's cache.

    Raises Refused where the library or the model is not there.
    """
    try:
        library = importlib.import_module("sentence_transformers")
    except ModuleNotFoundError as error:
        raise Refused(
            "--features sentences needs a library: `pip install 'doublings[sentences]'`; or choose words"
        ) from error
    settle()
    try:
        encoder = library.SentenceTransformer(model, local_files_only=True)
    except (OSError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise Refused(
            f"--model {model} is no model of sentence-transformers that is here ({said}); give its folder, "
            f"or fetch it once with `hf download {model}`"
        ) from error
    return lambda texts: encoder.encode(list(texts), batch_size=TOGETHER, show_progress_bar=False).astype(
        np.float64
    )


def hidden_states(folder: Path, base: Path | None) -> Embed:
    """The mean over a text's tokens of the last layer of a causal language model.

    Texts longer than the model's context are read as far as it goes. Raises what `checkpoint.read` raises.
    """
    settle()
    model, tokenizer = checkpoint.read(folder, "float32", base).eval(), read_tokenizer(folder)
    context = model.config.get_text_config().max_position_embeddings

    def embed(texts: Sequence[str]) -> Floats:
        tokens = [row[:context] for row in prompt_tokens(texts, "{query}", tokenizer)]
        # Of like length together, as padding costs time.
        order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
        found: dict[int, Floats] = {}
        for start in range(0, len(order), TOGETHER):
            places = order[start : start + TOGETHER]
            means = _means(model, [tokens[place] for place in places])
            found |= dict(zip(places, means, strict=True))
        return np.stack([found[place] for place in range(len(tokens))])

    return embed


@torch.inference_mode()
def _means(model: Any, rows: Sequence[Sequence[int]]) -> Floats:
    longest = max(1, *map(len, rows))
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[place, : len(row)] = 1
    outputs = model(input_ids=tokens, attention_mask=mask, output_hidden_states=True, use_cache=False)
    weights = mask[:, :, None] / mask.sum(dim=1).clamp(min=1)[:, None, None]
    means: Floats = (outputs.hidden_states[-1] * weights).sum(dim=1).double().numpy()
    return means


def largest_checkpoint(plan: Mapping[str, Any], store: Path) -> tuple[Path, Path | None]:
    """The folder of the checkpoint that was trained on most, and of its base. Raises Refused for none."""
    whole = Store(store.parent).whole
    made = [
        (artifact["spec"]["subset"]["n"], key)
        for key, artifact in plan["artifacts"].items()
        if artifact["kind"] == "checkpoint" and whole("checkpoint", key)
    ]
    if not made:
        raise Refused(
            "--features states needs the weights of a checkpoint, and none is made yet or all were evicted; "
            "run the study first, with keep=all or keep=largest"
        )
    key = max(made)[1]
    return store / "checkpoint" / key, store / "base" / plan["artifacts"][key]["inputs"]["base"]
