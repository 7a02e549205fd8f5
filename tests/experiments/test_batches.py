from collections import Counter
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments import model as models
from experiments.batches import Batch, Example, ShuffledBatches, collate
from experiments.encode import Reading, Text, encode
from orchestrator.refusal import Refused

TOKENIZER = models.words_tokenizer(["->", "one", "two", "three"], 8)
READING = Reading(TOKENIZER, "{query} ->", 8)


def example(name: int, length: int) -> Example:
    """The first token is the name."""
    return Example((name, *range(1, length)), 1)


def names(batch: Batch) -> list[int]:
    found: list[int] = batch.tokens[:, 0].tolist()
    return found


@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=200),
    st.integers(1, 9),
    st.integers(0, 3),
    st.integers(0),
)
@settings(deadline=None, max_examples=50)
def test_an_epoch_takes_every_example_once_and_as_many_rehearsed_as_asked(
    lengths: list[int], batch_size: int, n_rehearsed: int, seed: int
) -> None:
    examples = [example(number, length) for number, length in enumerate(lengths)]
    rehearsal = [example(1000 + number, number % 7 + 2) for number in range(5)]
    n_batches = -(-len(lengths) // batch_size)
    stream = ShuffledBatches(examples, batch_size, rehearsal, n_rehearsed, seed)
    for _ in range(2):
        epoch = list(islice(stream, n_batches))
        seen = Counter(name for batch in epoch for name in names(batch) if name < 1000)
        assert seen == Counter(range(len(lengths)))
        for batch in epoch:
            assert sum(name >= 1000 for name in names(batch)) == n_rehearsed


def test_the_seed_decides_the_order_and_epochs_differ() -> None:
    examples = [example(number, 5) for number in range(64)]

    def order(seed: int) -> list[list[int]]:
        return [names(batch) for batch in islice(ShuffledBatches(examples, 4, [], 0, seed), 32)]

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert order(0)[:16] != order(0)[16:]


def test_batches_hold_examples_of_like_length() -> None:
    examples = [example(number, 2 + number % 30) for number in range(512)]
    batches = list(islice(ShuffledBatches(examples, 8, [], 0, 0), 64))
    padded = sum(batch.tokens.numel() for batch in batches)
    assert padded < 1.15 * sum(len(one.tokens) - 1 for one in examples)


def test_batches_as_drawn_hold_examples_of_any_length_and_their_parts_of_like_length() -> None:
    examples = [example(number, 2 + number % 30) for number in range(512)]
    stream = ShuffledBatches(examples, 16, [], 0, 0, window=1)
    batches = list(islice(stream, 32))
    n_read = sum(len(one.tokens) - 1 for one in examples)
    assert sorted(name for batch in batches for name in names(batch)) == list(range(512))
    assert sum(batch.n_padding for batch in batches) > 0.5 * n_read
    assert sum(part.n_padding for batch in batches for part in batch.parts(8)) < 0.2 * n_read


def test_a_batch_tells_what_is_read_and_what_is_padding() -> None:
    batch = collate([Example((5, 6, 7, 8), 2), Example((9, 10), 0), Example((11, 12, 13), 1)])
    assert (batch.n_examples, batch.n_read, batch.n_padding) == (3, 9, 3)
    assert [part.n_padding for part in batch.parts(3)] == [0, 0, 0]


def test_only_the_tokens_after_the_prompt_count() -> None:
    batch = collate([Example((5, 6, 7, 8), 2), Example((9, 10), 0), Example((11, 12, 13), 1)])
    flat = batch.tokens.flatten()
    told = [(int(flat[at]), int(target)) for at, target in zip(batch.answers, batch.targets, strict=True)]
    assert told == [(6, 7), (7, 8), (9, 10), (11, 12), (12, 13)]
    assert batch.n_tokens == 5


def test_a_text_is_its_prompt_its_response_and_the_end() -> None:
    texts = [Text("r", "one two", "three"), Text("d", "", "one")]
    given_text, drill = encode(texts, READING).examples
    assert TOKENIZER.convert_ids_to_tokens(list(given_text.tokens)) == ["one", "two", "->", "three", "</s>"]
    assert given_text.n_prompt == 3
    assert (len(drill.tokens), drill.n_prompt) == (2, 0)


def test_a_text_that_fills_the_context_is_taken_and_one_longer_is_refused_by_name() -> None:
    fits = Text("fits", "one two", "three " * 5)
    assert len(encode([fits], READING).examples[0].tokens) == 9
    with pytest.raises(Refused, match=r"row r7 has 3 tokens of prompt and 6 of response.*context of 8"):
        encode([fits, Text("r7", "one two", "three " * 6)], READING)


@given(st.lists(st.integers(2, 30), min_size=1, max_size=12), st.integers(1, 15))
def test_parts_of_a_batch_are_its_rows_with_all_their_targets(lengths: list[int], n_parts: int) -> None:
    batch = collate([example(number, length) for number, length in enumerate(lengths)])
    parts = list(batch.parts(n_parts))
    assert len(parts) <= n_parts
    assert [name for part in parts for name in names(part)] == names(batch)
    assert torch.cat([part.targets for part in parts]).equal(batch.targets)
    inputs = [part.tokens.flatten()[part.answers] for part in parts]
    assert torch.cat(inputs).equal(batch.tokens.flatten()[batch.answers])
