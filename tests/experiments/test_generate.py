"""Answers and likelihoods of a tiny Llama, against transformers' own and against plain arithmetic."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from experiments.encode import Reading, Text, encode
from experiments.generate import Generation
from experiments.inference.engine import Decoding, Limit, Question, batches
from experiments.inference.held import Held
from experiments.inference.proof import PROOF
from experiments.inference.reference import Transformers
from experiments.inference.weights import read_weights
from experiments.model import Pretrained, new_llama, save, words_tokenizer
from experiments.pretrained import read_tokenizer
from experiments.record import make_record
from experiments.sources import read_hashed
from experiments.world import vocabulary
from orchestrator.cell import NewModel
from orchestrator.refusal import Refused
from orchestrator.specs import World
from tests.experiments.training import beside

WORLD = {"seed": 0, "n_units": 40, "n_everyday_units": 8, "zipf_alpha": 1.0, "zipf_offset": 6.0}
TEST = {"kind": "symbolic", "world": WORLD, "part": "test", "n_items": 12}
MODEL = {
    "kind": "new",
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
    llama = new_llama(NewModel.model_validate(MODEL), tokenizer)
    with torch.no_grad():
        for weight in llama.parameters():
            weight.mul_(12.0)
    save(Pretrained(llama, tokenizer), folder)
    return folder


@pytest.fixture(scope="module")
def engine(weights: Path) -> Transformers:
    return Transformers(read_weights(weights, None), read_tokenizer(weights), "float32")


def tokens(engine: Transformers, texts: Sequence[str]) -> list[list[int]]:
    found: list[list[int]] = engine.tokenizer(texts, add_special_tokens=False)["input_ids"]
    return found


@pytest.fixture(scope="module")
def pairs(engine: Transformers) -> list[tuple[list[int], list[int]]]:
    """Prompts and references of all lengths."""
    problems = read_hashed(TEST, {})
    prompts = tokens(engine, [f"{query} ->" for query in problems.queries])
    return list(zip(prompts, tokens(engine, problems.responses), strict=True))


def completed(into: Path, weights: Path, **more: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    into.mkdir(exist_ok=True)
    generation = Generation(Held(), {})
    summary = generation.make({**SPEC, **more}, {"weights": weights}, into, silent, {}, beside(into))
    return summary, pq.read_table(into / "completions.parquet").to_pylist()


def greedy(engine: Transformers, prompts: Sequence[list[int]]) -> list[tuple[list[int], bool]]:
    decoding = Decoding(max_new_tokens=40, stop=(), sampling=None)
    found = engine.answer([Question(prompt, seed=0) for prompt in prompts], decoding, lambda: None)
    return [(answer.tokens, answer.ended) for [answer] in found]


@pytest.mark.slow
def test_a_batch_answers_as_one_prompt_alone_does(
    weights: Path, pairs: Sequence[tuple[list[int], list[int]]]
) -> None:
    prompts = [prompt for prompt, _ in pairs]
    tokenizer = read_tokenizer(weights)
    engine = Transformers(read_weights(weights, None), tokenizer, "float32")
    said = Counter(token for answer, _ in greedy(engine, prompts) for token in answer)
    # This model has hardly learnt to end, so a word that it says now and then ends an answer besides.
    end = min(said, key=lambda token: abs(said[token] - len(prompts) // 2))
    ends = {tokenizer.eos_token_id, end}
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    engine = Transformers(read_weights(weights, None), tokenizer, "float32")
    answers = greedy(engine, prompts)
    for prompt, (answer, ended) in zip(prompts, answers, strict=True):
        row = list(prompt)
        with torch.inference_mode():
            while len(row) < len(prompt) + 40 and ends.isdisjoint(row[len(prompt) :]):
                row.append(int(engine.model(torch.tensor([row])).logits[0, -1].argmax()))
        assert (answer, ended) == (row[len(prompt) : len(row) - ended], row[-1] in ends)
    assert len({len(answer) for answer, _ in answers}) > 2


def test_likelihoods_are_those_of_each_reference_alone(
    engine: Transformers, pairs: Sequence[tuple[list[int], list[int]]]
) -> None:
    for (prompt, reference), scores in zip(pairs, engine.log_probabilities(pairs, lambda: None), strict=True):
        with torch.inference_mode():
            logits = engine.model(torch.tensor([prompt + reference])).logits[0].double()
        each = logits.log_softmax(-1)[range(len(prompt) - 1, len(prompt) + len(reference) - 1), reference]
        assert scores == pytest.approx(each.tolist(), abs=1e-4)


def test_samples_are_the_same_in_each_run_and_differ_by_seed_and_item(weights: Path, tmp_path: Path) -> None:
    def sampled(name: str, seed: int) -> list[dict[str, Any]]:
        sampling = {"n": 4, "temperature": 1.0, "top_p": 0.9, "seed": seed}
        summary, rows = completed(tmp_path / name, weights, sampling=sampling, max_new_tokens=8)
        assert (summary["n_items"], summary["n_samples"]) == (12, 4)
        return rows

    one = sampled("one", 1)
    assert one == sampled("same", 1)
    assert [row["completion"] for row in one] != [row["completion"] for row in sampled("other", 2)]
    assert [row["sample"] for row in one] == [0, 1, 2, 3] * 12
    assert len({row["completion"] for row in one}) > 24
    # The likelihood is the reference's, whatever was drawn.
    assert all(len({row["nll"] for row in one[start : start + 4]}) == 1 for start in range(0, 48, 4))


def test_a_text_ends_an_answer_and_is_not_part_of_it(weights: Path, tmp_path: Path) -> None:
    _, whole = completed(tmp_path / "whole", weights)
    words = Counter(word for row in whole for word in set(row["completion"].split()[4:20]))
    stop = min(words, key=lambda word: abs(words[word] - 5))
    summary, cut = completed(tmp_path / "cut", weights, stop=[f" {stop} ", "never said"])
    met = [f" {stop} " in row["completion"] for row in whole]
    assert 0 < sum(met) < len(met)
    for before, after, ended in zip(whole, cut, met, strict=True):
        if ended:
            assert after["completion"] == before["completion"].partition(f" {stop} ")[0]
            assert after["finish_reason"] == "stop"
            assert after["n_tokens"] < 40
        else:
            assert after == before
    assert summary["n_truncated"] == sum(row["finish_reason"] == "length" for row in cut)


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 9), st.integers(20, 300), st.integers(1, 4))
def test_batches_hold_every_row_once_and_keep_to_the_limit(
    lengths: list[int], rows: int, n_tokens: int, n_each: int
) -> None:
    found = list(batches(lengths, Limit(rows, n_tokens), n_each))
    assert sorted(index for batch in found for index in batch) == list(range(len(lengths)))
    for batch in found:
        n_rows, longest = len(batch) * n_each, max(lengths[index] for index in batch)
        assert len(batch) == 1 or (n_rows <= rows and n_rows * longest <= n_tokens)


def test_prompts_and_references_are_the_tokens_of_training(
    engine: Transformers, pairs: Sequence[tuple[list[int], list[int]]]
) -> None:
    problems = read_hashed(TEST, {})
    texts = [Text("", *row) for row in zip(problems.queries, problems.responses, strict=True)]
    trained = encode(texts, Reading(engine.tokenizer, "{query} ->", 64)).examples
    for example, (prompt, reference) in zip(trained, pairs, strict=True):
        assert list(example.tokens) == [*prompt, *reference, engine.tokenizer.eos_token_id]
        assert example.n_prompt == len(prompt)


def test_the_files_hold_every_item_and_do_not_change(tmp_path: Path, weights: Path) -> None:
    summary, rows = completed(tmp_path / "one", weights)
    completed(tmp_path / "other", weights)
    name = "completions.parquet"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    problems = read_hashed(TEST, {})
    assert [row["item_id"] for row in rows] == problems.row_ids
    prompt = f"{problems.queries[0]} ->"
    assert rows[0]["prompt_sha256"] == hashlib.sha256(prompt.encode()).hexdigest()
    digest = hashlib.sha256((weights / "model.safetensors").read_bytes()).hexdigest()
    assert summary == {
        "n_items": 12,
        "n_samples": 1,
        "n_truncated": sum(row["finish_reason"] == "length" for row in rows),
        "weights": {
            "engine": f"transformers {version('transformers')}",
            "sha256": {"model.safetensors": digest},
            "proof": "read by the reference itself",
        },
    }
    assert json.loads((tmp_path / "one" / PROOF).read_text()) == summary["weights"]
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
