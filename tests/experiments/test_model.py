from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from experiments import model as models
from experiments.batches import Batch
from experiments.llama import answer_logits, rotation
from experiments.model import Pretrained
from orchestrator.cell import NewModel

TINY = NewModel(
    kind="new",
    name="tiny",
    hidden_size=16,
    intermediate_size=40,
    n_layers=2,
    n_heads=2,
    context=32,
    init_seed=0,
    tokenizer="words",
    vocabulary=None,
    prompt="{query} ->",
    pretrain=None,
)
TEXTS = ["Sam has 3 apples.\nHe eats 1: <<3-1=2>>2 are left.", "Half of 24 is 12. #### 12", "$1,250 → 5 %"]


@pytest.fixture
def made() -> Pretrained:
    tokenizer = models.words_tokenizer(["->", "has", "sam", *map(str, range(100))], TINY.context)
    return Pretrained(models.new_llama(TINY, tokenizer), tokenizer)


def weights(pretrained: Pretrained) -> dict[str, torch.Tensor]:
    return dict(pretrained.model.state_dict())


def test_a_folder_is_what_plain_transformers_loads(made: Pretrained, tmp_path: Path) -> None:
    models.save(made, tmp_path)
    llama = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokens = tokenizer("sam has 17 -> 9", return_tensors="pt")["input_ids"]
    assert tokens.tolist() == [made.tokenizer("sam has 17 -> 9")["input_ids"]]
    assert torch.equal(llama(tokens).logits, made.model(tokens).logits)
    assert type(llama).__name__ == "LlamaForCausalLM"


def test_a_folder_holds_nothing_that_runs_code(made: Pretrained, tmp_path: Path) -> None:
    models.save(made, tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_what_is_saved_is_what_is_loaded(made: Pretrained, tmp_path: Path) -> None:
    models.save(made, tmp_path)
    loaded = models.load(tmp_path)
    assert weights(loaded).keys() == weights(made).keys()
    assert all(torch.equal(weight, weights(made)[name]) for name, weight in weights(loaded).items())
    assert loaded.tokenizer.get_vocab() == made.tokenizer.get_vocab()


def test_loading_and_saving_again_changes_no_byte(made: Pretrained, tmp_path: Path) -> None:
    models.save(made, tmp_path / "one")
    models.save(models.load(tmp_path / "one"), tmp_path / "two")
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_weights_depend_on_the_seed_and_on_nothing_else(made: Pretrained) -> None:
    torch.manual_seed(5)
    again = models.new_llama(TINY, made.tokenizer)
    other = models.new_llama(TINY.model_copy(update={"init_seed": 1}), made.tokenizer)
    assert all(torch.equal(again.state_dict()[name], weight) for name, weight in weights(made).items())
    assert not torch.equal(other.lm_head.weight, made.model.lm_head.weight)


def test_making_a_model_leaves_the_global_generator_alone(made: Pretrained) -> None:
    before = torch.get_rng_state()
    models.new_llama(TINY, made.tokenizer)
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_start_with_the_standard_deviation_named(made: Pretrained) -> None:
    embeddings = made.model.model.embed_tokens.weight
    assert embeddings.std().item() == pytest.approx(models.INIT_STD, rel=0.1)
    assert embeddings is made.model.lm_head.weight


def test_every_number_below_a_hundred_is_one_token(made: Pretrained, tmp_path: Path) -> None:
    models.save(made, tmp_path)
    tokenizer = models.load(tmp_path).tokenizer
    tokens = tokenizer(" ".join(map(str, range(100))))["input_ids"]
    assert len(set(tokens)) == 100
    assert tokenizer.unk_token_id not in tokens
    assert tokenizer.decode(tokens) == " ".join(map(str, range(100)))


def test_a_word_named_twice_is_one_token_and_leaves_no_gap() -> None:
    tokenizer = models.words_tokenizer(["->", "one", "->", "two"], TINY.context)
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))


def test_the_tokens_that_mark_are_there_and_distinct(made: Pretrained) -> None:
    tokenizer = made.tokenizer
    marks = [tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.unk_token_id]
    assert len({*marks}) == 4
    assert tokenizer("sam unheard")["input_ids"][-1] == tokenizer.unk_token_id


def test_byte_pairs_give_every_text_back(tmp_path: Path) -> None:
    tokenizer = models.bpe_tokenizer(TEXTS, 300, TINY.context)
    models.save(Pretrained(models.new_llama(TINY, tokenizer), tokenizer), tmp_path)
    loaded = models.load(tmp_path).tokenizer
    for text in [*TEXTS, "Ünseen  words,\tspaces\n\nand 🙂"]:
        assert loaded.decode(loaded(text, verbose=False)["input_ids"]) == text


def test_byte_pairs_are_learnt_alike_twice_and_keep_their_size() -> None:
    one, other = (models.bpe_tokenizer(TEXTS * 5, 290, TINY.context) for _ in range(2))
    assert one.get_vocab() == other.get_vocab()
    assert len(one) == 290


def test_a_token_of_byte_pairs_holds_one_digit_at_most() -> None:
    tokenizer = models.bpe_tokenizer(["1234567890 " * 50], 300, TINY.context)
    assert all(sum(letter.isdigit() for letter in token) <= 1 for token in tokenizer.get_vocab())


def test_logits_for_answers_are_those_of_the_model(made: Pretrained) -> None:
    # Weights of a trained size: with those of the start, attention hardly matters.
    with torch.no_grad():
        for weight in made.model.parameters():
            weight.mul_(8.0)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(4, 100, (3, 12), generator=generator)
    tokens[1, 7:] = made.tokenizer.pad_token_id
    answers = torch.tensor([4, 5, 11, 12 + 3, 12 + 6, 24, 35])
    batch = Batch(tokens, answers, torch.zeros(len(answers)), torch.tensor([12, 7, 12]))
    ours = answer_logits(made.model, batch, rotation(made.model))
    theirs = torch.cat([made.model(tokens[:1]).logits, made.model(tokens[1:]).logits]).flatten(0, 1)
    torch.testing.assert_close(ours, theirs[answers], rtol=1e-4, atol=1e-5)
    alone = made.model(tokens[1:2, :7]).logits[0, 6]
    torch.testing.assert_close(ours[4], alone, rtol=1e-4, atol=1e-5)
