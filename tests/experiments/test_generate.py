"""Answers and likelihoods of a tiny Llama, against transformers' own and against plain arithmetic."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from experiments import generate
from experiments.encode import Reading, Text, encode
from experiments.generate import Reader, greedy, likelihoods, load, make_completions
from experiments.model import Pretrained, new_llama, save, words_tokenizer
from experiments.record import make_record
from experiments.shards import Shards
from experiments.world import vocabulary
from orchestrator.refusal import Refused
from orchestrator.specs import NewModel, World
from tests.experiments.training import beside

WORLD = {"seed": 0, "n_units": 40, "n_everyday_units": 8, "zipf_alpha": 1.0, "zipf_offset": 6.0}
TEST = {"kind": "symbolic", "world": WORLD, "part": "test", "n_items": 12}
MODEL = {
    "name": "tiny",
    "hidden_size": 32,
    "intermediate_size": 64,
    "n_layers": 2,
    "n_heads": 2,
    "context": 64,
    "init_seed": 0,
    "tokenizer": "words",
    "vocabulary": None,
    "prompt": "{query} ->",
    "pretrain": None,
}
SPEC = {
    "version": 1,
    "source": TEST,
    "prompt": "{query} ->",
    "max_new_tokens": 40,
    "likelihood": True,
    "engine": "transformers",
    "dtype": "float32",
    "context": 64,
}


def silent(done: float, note: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama that has learnt nothing, but whose every word is a decided one and leads to another."""
    folder = tmp_path_factory.mktemp("base")
    torch.set_num_threads(1)
    tokenizer = words_tokenizer(["->", *vocabulary(World.model_validate(WORLD))], 64)
    llama = new_llama(NewModel.model_validate({**MODEL, "kind": "new"}), tokenizer)
    with torch.no_grad():
        for weight in llama.parameters():
            weight.mul_(12.0)
    save(Pretrained(llama, tokenizer), folder)
    return folder


@pytest.fixture(scope="module")
def reader(weights: Path) -> Reader:
    return load(weights, "float32", 64)


@pytest.fixture(scope="module")
def pairs(reader: Reader) -> list[tuple[list[int], list[int]]]:
    """Prompts and references of all lengths."""
    problems = generate.read_hashed(TEST, {})
    prompts = reader.tokens([f"{query} ->" for query in problems.queries])
    return list(zip(prompts, reader.tokens(problems.responses), strict=True))


def completed(into: Path, weights: Path, **more: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    into.mkdir(exist_ok=True)
    summary = make_completions({**SPEC, **more}, {"weights": weights}, into, silent, {}, beside(into))
    return summary, pq.read_table(into / "completions.parquet").to_pylist()


def unknown(tmp_path: Path, name: str) -> Shards:
    """Nothing is known yet."""
    return Shards(beside(tmp_path), "a reader", name)


def test_a_batch_answers_as_one_prompt_alone_does(
    weights: Path, pairs: Sequence[tuple[list[int], list[int]]], tmp_path: Path
) -> None:
    reader = load(weights, "float32", 64)
    prompts = [prompt for prompt, _ in pairs]
    said = Counter(
        token for answer in greedy(reader, prompts, 40, silent, unknown(tmp_path, "said")) for token in answer
    )
    # This model has not learnt to end, so a word that it says now and then stands for the end.
    end = min(said, key=lambda token: abs(said[token] - len(prompts) // 2))
    reader.tokenizer.eos_token = reader.tokenizer.convert_ids_to_tokens(end)
    answers = greedy(reader, prompts, 40, silent, unknown(tmp_path, "answers"))
    for prompt, answer in zip(prompts, answers, strict=True):
        tokens = list(prompt)
        with torch.inference_mode():
            while len(tokens) < len(prompt) + 40 and end not in tokens[len(prompt) :]:
                tokens.append(int(reader.model(torch.tensor([tokens])).logits[0, -1].argmax()))
        assert answer == tokens[len(prompt) :]
    assert len(set(map(len, answers))) > 2


def test_likelihoods_are_those_of_each_reference_alone(
    reader: Reader, pairs: Sequence[tuple[list[int], list[int]]], tmp_path: Path
) -> None:
    prompts, references = map(list, zip(*pairs, strict=True))
    scores = likelihoods(reader, prompts, references, silent, unknown(tmp_path, "likelihoods"))
    for prompt, reference, score in zip(prompts, references, scores, strict=True):
        with torch.inference_mode():
            logits = reader.model(torch.tensor([prompt + reference])).logits[0].double()
        each = logits.log_softmax(-1)[range(len(prompt) - 1, len(prompt) + len(reference) - 1), reference]
        assert score == pytest.approx(-float(each.sum()), rel=1e-5)


def test_prompts_and_references_are_the_tokens_of_training(
    reader: Reader, pairs: Sequence[tuple[list[int], list[int]]]
) -> None:
    problems = generate.read_hashed(TEST, {})
    texts = [Text("", *row) for row in zip(problems.queries, problems.responses, strict=True)]
    trained = encode(texts, Reading(reader.tokenizer, "{query} ->", 64)).examples
    for example, (prompt, reference) in zip(trained, pairs, strict=True):
        assert list(example.tokens) == [*prompt, *reference, reader.tokenizer.eos_token_id]
        assert example.n_prompt == len(prompt)


def test_the_files_hold_every_item_and_do_not_change(tmp_path: Path, weights: Path) -> None:
    summary, rows = completed(tmp_path / "one", weights)
    completed(tmp_path / "other", weights)
    name = "completions.parquet"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    problems = generate.read_hashed(TEST, {})
    assert [row["item_id"] for row in rows] == problems.row_ids
    prompt = f"{problems.queries[0]} ->"
    assert rows[0]["prompt_sha256"] == hashlib.sha256(prompt.encode()).hexdigest()
    assert summary == {
        "n_items": 12,
        "n_truncated": sum(row["finish_reason"] == "length" for row in rows),
    }
    for row, response in zip(rows, problems.responses, strict=True):
        # Special tokens count, but are not written.
        assert row["n_tokens"] >= len(row["completion"].split())
        assert row["n_reference_tokens"] == len(response.split())
        assert (row["n_tokens"] == 40) == (row["finish_reason"] == "length")


def test_without_likelihood_there_is_none(tmp_path: Path, weights: Path) -> None:
    _, rows = completed(tmp_path, weights, likelihood=False, max_new_tokens=1)
    assert {row["nll"] for row in rows} == {row["n_reference_tokens"] for row in rows} == {None}


def test_a_cut_off_answer_says_so(tmp_path: Path, weights: Path) -> None:
    summary, rows = completed(tmp_path, weights, max_new_tokens=2)
    assert summary["n_truncated"] == sum(row["finish_reason"] == "length" for row in rows) == 12
    assert {row["n_tokens"] for row in rows} == {2}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"max_new_tokens": 60},
            r"item 1 of the world's test part has a prompt of \d+ .*lower max_new",
        ),
        (
            {"max_new_tokens": 1, "context": 30},
            r"item \d+ of .* tokens of prompt and \d+ of reference",
        ),
        ({"prompt": " "}, r"the prompt of item 1 .* has no tokens"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_lengths(
    tmp_path: Path, weights: Path, more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        completed(tmp_path, weights, **more)
    assert not list(tmp_path.iterdir())


def test_a_record_grades_every_item(tmp_path: Path, weights: Path) -> None:
    completed(tmp_path, weights)
    spec = {"version": 1, "grader": 1, "answer": "gsm8k", "source": TEST}
    summary = make_record(spec, {"completions": tmp_path}, tmp_path, silent, {})
    items = pq.read_table(tmp_path / "items.parquet").to_pylist()
    assert summary == json.loads((tmp_path / "record.json").read_text())
    reasons = [item["reason"] for item in items]
    assert summary["n_items"] == len(items) == 12
    assert summary["n_correct"] == sum(item["correct"] for item in items) == reasons.count("correct")
    assert summary["n_no_answer"] == reasons.count("no answer")
    assert summary["n_truncated"] == reasons.count("truncated")
    assert summary["nll_sum"] == pytest.approx(sum(item["nll"] for item in items))
    assert summary["nll_per_token"] == summary["nll_sum"] / summary["n_reference_tokens"]
    for item in items:
        assert item["correct"] == (item["answer"] == item["reference"])
        assert (item["answer"] is None) == (item["reason"] in ("no answer", "truncated", "unparsable"))


def test_completions_of_another_benchmark_are_refused(tmp_path: Path, weights: Path) -> None:
    completed(tmp_path, weights)
    spec = {"version": 1, "grader": 1, "answer": "gsm8k", "source": {**TEST, "n_items": 29}}
    with pytest.raises(Refused, match="do not answer the items of the world's test part"):
        make_record(spec, {"completions": tmp_path}, tmp_path, silent, {})
