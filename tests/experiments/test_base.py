from pathlib import Path
from typing import Any

import pytest

from experiments import model as models
from experiments.base import read_rehearsal
from experiments.world import Row, items
from orchestrator.refusal import Refused
from tests.experiments.training import MODEL, base_spec, made_base, source, weights, write_pool


@pytest.mark.slow
def test_a_base_tells_what_it_read(tmp_path: Path) -> None:
    summary = made_base({}, tmp_path, base_spec())
    loaded = models.load(tmp_path)
    assert 4000 <= summary["n_tokens"] < 4000 + MODEL["context"]
    assert summary["vocabulary"] == len(loaded.tokenizer)
    assert summary["n_parameters"] == sum(weight.numel() for weight in loaded.model.parameters())


def test_reading_changes_the_weights_and_the_tokenizer_stays(tmp_path: Path, inputs: dict[str, Path]) -> None:
    made_base({}, tmp_path, base_spec(pretrain=None))
    assert not (tmp_path / "rehearsal.parquet").exists()
    assert weights(tmp_path) != weights(inputs["base"])
    for name in ("tokenizer.json", "config.json"):
        assert (tmp_path / name).read_bytes() == (inputs["base"] / name).read_bytes()


def test_the_base_knows_every_word_of_the_prompt_and_of_the_pool(inputs: dict[str, Path]) -> None:
    loaded = models.load(inputs["base"])
    tokenizer = loaded.tokenizer
    assert max(tokenizer.get_vocab().values()) < loaded.model.config.vocab_size
    for problem in items(source("test", 10)):
        asked = MODEL["prompt"].format(query=problem.query)
        assert tokenizer.unk_token_id not in tokenizer(f"{asked} {problem.response}")["input_ids"]


def test_a_tokenizer_of_byte_pairs_is_learnt_from_the_seed_pool(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    spec = {
        **base_spec(tokenizer="bpe", vocabulary=320, pretrain=None),
        "world": None,
        "decontaminate": [],
    }
    summary = made_base({"seed": inputs["pool"]}, tmp_path, spec)
    assert summary == {**summary, "vocabulary": 320, "n_steps": 0, "n_tokens": 0}


@pytest.mark.parametrize("changes", [{}, {"pretrain": None}, {"tokenizer": "bpe", "vocabulary": 300}])
def test_a_base_of_the_world_without_a_world_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    seed = write_pool(tmp_path / "seed", [Row("a", "numbers", 0, "one", "two")])
    with pytest.raises(Refused, match="symbolic world"):
        made_base({"seed": seed}, tmp_path, {**base_spec(**changes), "world": None})


def test_rehearsal_reads_back_as_it_was_written(inputs: dict[str, Path]) -> None:
    rehearsal = read_rehearsal(inputs["base"])
    assert len(rehearsal) == 4000
    assert any(example.n_prompt == 0 for example in rehearsal)
    assert all(example.n_prompt < len(example.tokens) <= 65 for example in rehearsal)
