"""A model of the hub as a plan sees it, and the base that refers to it: what is refused, in what words."""

import json
import os
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from experiments import pretrained, weights
from orchestrator.refusal import Refused
from tests.experiments.tiny_models import CONFIGS, CONTEXT, model_spec, write_model
from tests.experiments.training import quiet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model", "llama")


def known(folder: Path, **changes: Any) -> dict[str, Any]:
    return pretrained.inspect(model_spec(folder, **changes))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_a_plan_knows_the_size_of_a_model_without_reading_its_weights(kind: str, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(write_model(tmp_path / kind, kind))
    shape = known(tmp_path / kind)["shape"]
    head, embedding = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    assert shape["n_parameters"] == sum(weight.numel() for weight in model.parameters())
    assert shape["n_embedding"] == (0 if head is embedding else embedding.numel())
    assert 1.0 < shape["characters_per_token"] < 5.0


def test_the_digest_is_that_of_the_content_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    there = write_model(tmp_path / "elsewhere", "llama")
    (there / "README.md").write_text("about the model")
    assert known(folder)["digest"] == known(there)["digest"]
    assert known(folder)["digest"] != known(write_model(tmp_path / "other", "gpt2"))["digest"]
    tensors = load_file(there / "model.safetensors")
    tensors["lm_head.weight"][0, 0] += 1.0
    save_file(tensors, there / "model.safetensors", metadata={"format": "pt"})
    assert known(folder)["digest"] != known(there)["digest"]


def test_a_large_file_is_read_again_only_where_it_changed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "LARGE", 1)
    read: list[str] = []
    digest = weights.sha256
    monkeypatch.setattr(weights, "sha256", lambda path: read.append(path.name) or digest(path))
    first = known(folder)["digest"]
    assert "model.safetensors" in read
    read.clear()
    assert known(folder)["digest"] == first
    assert read == []
    os.utime(folder / "model.safetensors", ns=(0, 0))
    assert known(folder)["digest"] == first
    assert read == ["model.safetensors"]


def in_hub_cache(cache: Path, model: Path) -> None:
    """Lay a model out as the hub's client does: snapshots of links to blobs named by their digest."""
    repo = cache / "models--owner--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "blobs").mkdir()
    (repo / "snapshots/abc").mkdir(parents=True)
    (repo / "refs/main").write_text("abc")
    for path in model.iterdir():
        blob = repo / "blobs" / weights.sha256(path)
        path.rename(blob)
        (repo / "snapshots/abc" / path.name).symlink_to(blob)


def test_a_repository_of_the_hub_is_read_from_its_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = known(folder)["digest"]
    in_hub_cache(tmp_path / "cache", folder)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    found = pretrained.inspect({**model_spec(folder), "path": None, "repo": "owner/tiny"})
    assert found["digest"] == local
    assert found["folder"].endswith("snapshots/abc")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (huggingface_hub.errors.GatedRepoError, "it is gated: accept its terms .*`hf auth login`"),
        (huggingface_hub.errors.RepositoryNotFoundError, "the hub knows no such model, or it is private"),
        (huggingface_hub.errors.RevisionNotFoundError, "the hub knows no revision v1 of it"),
        (huggingface_hub.errors.OfflineModeIsEnabled, "HF_HUB_OFFLINE forbids"),
        (ConnectionError, r"the hub cannot be reached from here \(ConnectionError\)"),
        (None, "a plan downloads nothing"),
    ],
)
def test_a_model_that_is_not_here_is_refused_with_the_reason_and_the_download(
    answer: type[Exception] | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def model_info(*_: Any, **__: Any) -> None:
        if answer is not None:
            raise answer.__new__(answer)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    with pytest.raises(Refused, match=f"{told}.*`hf download owner/tiny --revision v1`"):
        pretrained.inspect({**model_spec(tmp_path), "path": None, "repo": "owner/tiny", "revision": "v1"})


def test_a_place_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"model\.path=.*nowhere is no folder"):
        known(tmp_path / "nowhere")
    with pytest.raises(Refused, match=r"holds no model, as it has no config\.json"):
        known(tmp_path)
    with pytest.raises(Refused, match=r"set model\.path=FOLDER or model\.repo=OWNER/NAME"):
        known(tmp_path, path=None)


def cut_off(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-100])


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def of_unknown_code(folder: Path) -> None:
    edit(folder / "config.json", model_type="mine", auto_map={"AutoConfig": "mine.Config"})


def no_language_model(folder: Path) -> None:
    edit(folder / "config.json", model_type="vit", architectures=["ViTModel"])


def without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def without_end(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", eos_token=None)


def with_tokens_of_another(folder: Path) -> None:
    edit(folder / "config.json", vocab_size=100)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (cut_off, r"model\.safetensors is damaged or was cut off"),
        (pickled, "pytorch_model.bin is a pickle, which may run code"),
        (of_unknown_code, "code that comes with a model is never run"),
        (no_language_model, "is no causal language model"),
        (without_tokenizer, "has no tokenizer that can be read"),
        (without_end, r"has no end token \(eos_token\)"),
        (with_tokens_of_another, "they do not belong together"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused_before_anything_is_made(
    spoil: Any, told: str, folder: Path
) -> None:
    spoil(folder)
    with pytest.raises(Refused, match=told):
        known(folder)


def test_a_tokenizer_without_a_pad_token_is_as_good(folder: Path) -> None:
    assert pretrained.read_tokenizer(folder).pad_token is None
    assert known(folder)["digest"]


def test_a_context_above_the_models_own_is_refused(folder: Path) -> None:
    with pytest.raises(Refused, match=rf"model\.context={CONTEXT + 1} is above the {CONTEXT} tokens"):
        known(folder, context=CONTEXT + 1)


def test_a_shard_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "sharded", "qwen2", "20KB")
    (folder / "model-00002-of-00006.safetensors").unlink()
    with pytest.raises(Refused, match=r"lacks model-00002-of-00006\.safetensors"):
        known(folder)


def made_base(folder: Path, into: Path) -> Path:
    found = known(folder)
    into.mkdir()
    pretrained.link(found["folder"], found["digest"], into, quiet)
    return into


@pytest.mark.parametrize("shard", ["1GB", "20KB"])
def test_a_base_links_to_the_weights_and_plain_transformers_loads_it(shard: str, tmp_path: Path) -> None:
    base = made_base(write_model(tmp_path / "model", "qwen2", shard), tmp_path / "base")
    links = {path.name for path in base.iterdir() if path.is_symlink()}
    assert links == {path.name for path in (tmp_path / "model").glob("*.safetensors")}
    ours = AutoModelForCausalLM.from_pretrained(base).state_dict()
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model").state_dict()
    assert all(torch.equal(weight, theirs[name]) for name, weight in ours.items())


def test_a_model_that_changed_since_it_was_planned_makes_no_base(folder: Path, tmp_path: Path) -> None:
    found = known(folder)
    edit(folder / "config.json", hidden_act="gelu")
    (tmp_path / "base").mkdir()
    with pytest.raises(Refused, match="has changed since the study was planned"):
        pretrained.link(found["folder"], found["digest"], tmp_path / "base", quiet)
    assert not list((tmp_path / "base").iterdir())


def test_weights_that_were_moved_or_replaced_later_are_missed_in_words(folder: Path, tmp_path: Path) -> None:
    base = made_base(folder, tmp_path / "base")
    moved = (folder / "model.safetensors").rename(tmp_path / "moved")
    with pytest.raises(Refused, match=r"is gone, where weights of the base .* lie: put it back, or remove"):
        pretrained.load(base, "float32", "sdpa")
    (folder / "model.safetensors").write_bytes(moved.read_bytes() + b" ")
    with pytest.raises(Refused, match="has changed since"):
        pretrained.load(base, "float32", "sdpa")


def test_weights_of_another_model_than_the_config_says_are_refused(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Refused, match=r"lack model\.norm\.weight"):
        pretrained.load(made_base(folder, tmp_path / "base"), "float32", "sdpa")
