"""Distances by what a model sees: sentence embeddings, and the hidden states of a fine-tuned model."""

import csv
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from experiments import distribution
from experiments.distances import distance
from experiments.pretrained import read_tokenizer
from experiments.vectors import Vectors, hidden_states, sentence_embeddings
from orchestrator.refusal import Refused
from tests.experiments.test_distances import geometry, shop
from tests.experiments.test_verify import Study
from tests.experiments.tiny_models import CONTEXT, write_model

TEXTS = ["How many?", "Sam has 12 apples and buys 30 more.", "He has 12 + 30 = 42 apples. " * 20]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "llama", "llama")


def test_hidden_states_are_the_mean_of_the_last_layer_over_the_tokens_of_each_text_alone(llama: Path) -> None:
    found = hidden_states(llama, None)(TEXTS)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(llama), read_tokenizer(llama)
    for row, text in zip(found, TEXTS, strict=True):
        tokens = torch.tensor([tokenizer(text)["input_ids"][:CONTEXT]])
        with torch.inference_mode():
            states = model(input_ids=tokens, output_hidden_states=True).hidden_states[-1][0]
        np.testing.assert_allclose(row, states.mean(dim=0).numpy(), atol=1e-5)


def test_texts_of_two_kinds_lie_apart_by_what_a_model_sees(llama: Path) -> None:
    pool, near, far = shop(60, 0), shop(50, 1), geometry(50, 2)
    seen = Vectors([*pool, *far], hidden_states(llama, None))
    close, remote = distance(seen, pool, near), distance(seen, pool, far)
    assert close.coverage > remote.coverage
    assert close.mmd < remote.mmd
    assert close.auc < 0.75 < remote.auc


@pytest.mark.slow
def test_a_study_is_seen_by_the_model_that_is_named(tmp_path: Path, llama: Path) -> None:
    study = Study(tmp_path)
    folder = tmp_path / "studies/toy"
    (folder / "plans").mkdir(parents=True)
    plan = study.plan.rename(folder / "plans/1.json")
    assert distribution.run(plan, tmp_path, "text", "pca", "states", str(llama)) == 0
    with (folder / "distances-states.csv").open() as file:
        assert {row["strategy"] for row in csv.DictReader(file)} == {"numbers", "responses"}
    assert (folder / "distribution-states.csv").is_file()
    assert not (folder / "distances.csv").exists()
    with pytest.raises(Refused, match="--features sentences needs a model: give --model"):
        distribution.run(plan, tmp_path, "text", "pca", "sentences")


def test_without_the_library_sentence_embeddings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(Refused, match=r"needs a library: `pip install 'doublings\[sentences\]'`"):
        sentence_embeddings("any")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(find_spec("sentence_transformers") is None, reason="no sentence-transformers here")
def test_sentence_embeddings_come_from_a_folder(tmp_path: Path, llama: Path) -> None:
    library = import_module("sentence_transformers")
    parts = import_module("sentence_transformers.sentence_transformer.modules")
    reader = parts.Transformer(str(llama))
    reader.tokenizer.pad_token = reader.tokenizer.eos_token
    library.SentenceTransformer(modules=[reader, parts.Pooling(32)]).save(str(tmp_path / "encoder"))
    found = sentence_embeddings(str(tmp_path / "encoder"))(TEXTS)
    assert found.shape == (3, 32)
    with pytest.raises(Refused, match="is no model of sentence-transformers that is here"):
        sentence_embeddings(str(tmp_path / "nothing"))
