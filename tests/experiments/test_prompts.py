"""What a model is trained on, word for word: the prompt it is asked with, and the response it must learn."""

from pathlib import Path
from typing import Any

import pytest

from experiments import pretrained
from experiments.batches import collate
from experiments.encode import Reading, Text, encode
from experiments.prompts import prompt_tokens, prompts_of, text_tokens
from orchestrator.prompts import TEMPLATES
from orchestrator.refusal import Refused
from tests.experiments.tiny_models import CONFIGS, CONTEXT, hub_tokenizer, write_model

QUERY, RESPONSE = "Sam has 12 apples and buys 30 more. How many?", "He has 12 + 30 = 42. The answer is 42"
KINDS = sorted(CONFIGS)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("hub")
    return {kind: pretrained.read_tokenizer(write_model(place / kind, kind)) for kind in KINDS}


def counted(tokenizer: Any, template: str) -> tuple[str, str]:
    """The text before what counts in the loss, and what counts."""
    [example] = encode([Text("r", QUERY, RESPONSE)], Reading(tokenizer, template, CONTEXT * 4)).examples
    batch = collate([example])
    assert batch.targets.tolist() == list(example.tokens[example.n_prompt :])
    return tokenizer.decode(example.tokens[: example.n_prompt]), tokenizer.decode(batch.targets)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("template", ["alpaca", "plain", "Q: {query} A:"])
def test_the_loss_counts_the_response_and_the_end_and_nothing_else(
    kind: str, template: str, tokenizers: dict[str, Any]
) -> None:
    tokenizer = tokenizers[kind]
    before, learnt = counted(tokenizer, template)
    assert learnt == f"{RESPONSE}</s>"
    text = TEMPLATES.get(template, template).replace("{query}", QUERY)
    # Llama's tokenizer begins every text with a token of its own.
    assert before == (f"<s>{text}" if kind == "llama" else text)


def test_the_alpaca_template_asks_as_its_authors_do() -> None:
    [text] = prompts_of(["What is 2 + 2?"], "alpaca", None)
    assert text == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the "
        "request.\n\n### Instruction:\nWhat is 2 + 2?\n\n### Response:"
    )


def test_a_chat_template_is_the_tokenizers_own_and_ends_where_the_answer_begins(
    tokenizers: dict[str, Any],
) -> None:
    before, learnt = counted(tokenizers["qwen2"], "chat")
    assert before == f"<|im_start|>user\n{QUERY}<|im_end|>\n<|im_start|>assistant\n"
    assert learnt == f"{RESPONSE}</s>"


def test_marks_of_a_chat_template_are_one_token_each(tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers["qwen2"]
    [tokens] = prompt_tokens(prompts_of([QUERY], "chat", tokenizer), "chat", tokenizer)
    mark = tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert tokens[0] == mark
    assert tokens.count(mark) == 2


def test_a_tokenizer_without_a_chat_template_is_refused_with_what_can_be_chosen() -> None:
    with pytest.raises(Refused, match=r"no chat template: choose model\.prompt=alpaca"):
        prompts_of([QUERY], "chat", hub_tokenizer("gpt2"))


def test_braces_in_questions_and_templates_stay_as_they_are(tokenizers: dict[str, Any]) -> None:
    assert prompts_of(["{x} + {y}"], "{{ {query} }}", tokenizers["gpt2"]) == ["{{ {x} + {y} }}"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_is_cut_has_no_end_and_keeps_its_prompt(kind: str, tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers[kind]
    whole = encode([Text("r", QUERY, RESPONSE)], Reading(tokenizer, "plain", CONTEXT * 4)).examples[0]
    context = whole.n_prompt + 5
    found = encode([Text("r", QUERY, RESPONSE)], Reading(tokenizer, "plain", context, "truncate"))
    [cut] = found.examples
    assert found.n_truncated == 1
    assert cut.n_prompt == whole.n_prompt
    assert cut.tokens == whole.tokens[: context + 1]
    assert cut.tokens[-1] != tokenizer.eos_token_id


def test_a_cut_that_would_leave_nothing_to_learn_is_refused(tokenizers: dict[str, Any]) -> None:
    tokenizer = tokenizers["gpt2"]
    [prompt] = text_tokens([f"{QUERY}\n"], tokenizer)
    reading = Reading(tokenizer, "plain", len(prompt) - 1, "truncate")
    with pytest.raises(Refused, match=r"row r has \d+ tokens of prompt.*train\.too_long=drop"):
        encode([Text("r", QUERY, RESPONSE)], reading)


def test_what_is_dropped_is_told_by_its_index(tokenizers: dict[str, Any]) -> None:
    texts = [Text(str(n), "1", "2 " * length) for n, length in enumerate((1, 200, 2, 300))]
    found = encode(texts, Reading(tokenizers["gpt2"], "plain", 40, "drop"))
    assert found.kept == [0, 2]
    assert (len(found.examples), found.n_truncated) == (2, 0)


def test_a_folder_of_a_checkpoint_tokenizes_as_its_base(tmp_path: Path, tokenizers: dict[str, Any]) -> None:
    for kind in KINDS:
        base = write_model(tmp_path / kind, kind)
        (tmp_path / f"{kind}.made").mkdir()
        pretrained.copy_tokenizer(base, tmp_path / f"{kind}.made")
        copied = pretrained.read_tokenizer(tmp_path / f"{kind}.made")
        assert copied(QUERY)["input_ids"] == tokenizers[kind](QUERY)["input_ids"]
