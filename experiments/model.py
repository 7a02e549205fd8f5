"""A Llama and its tokenizer: made from nothing, written as a plain transformers folder, read back."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from orchestrator.cell import NewModel

PAD, END, BEGIN, UNKNOWN = "<pad>", "</s>", "<s>", "<unk>"
SPECIAL = [PAD, END, BEGIN, UNKNOWN]
INIT_STD = 0.02


@dataclass(frozen=True)
class Pretrained:
    """Weights and the tokenizer that belongs to them."""

    model: Any  # a LlamaForCausalLM
    tokenizer: Any  # a PreTrainedTokenizerFast


def words_tokenizer(words: Iterable[str], context: int) -> Any:
    """Return a tokenizer for which every word between two spaces is one token."""
    entries = {word: number for number, word in enumerate(dict.fromkeys([*SPECIAL, *words]))}
    plain = Tokenizer(models.WordLevel(entries, unk_token=UNKNOWN))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return _fast(plain, context)


def bpe_tokenizer(texts: Iterable[str], size: int, context: int) -> Any:
    """Return a byte-level tokenizer of at most `size` tokens learnt from texts."""
    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    plain.train_from_iterator(texts, trainer)
    return _fast(plain, context)


def new_llama(model: NewModel, tokenizer: Any) -> Any:
    """Return a Llama with random weights that depend on `init_seed` alone."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=model.hidden_size,
        intermediate_size=model.intermediate_size,
        num_hidden_layers=model.n_layers,
        num_attention_heads=model.n_heads,
        max_position_embeddings=model.context,
        initializer_range=INIT_STD,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        llama = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(model.init_seed)
    with torch.no_grad():
        for weight in llama.parameters():
            if weight.dim() > 1:
                weight.normal_(0.0, INIT_STD, generator=generator)
    return llama


def save(pretrained: Pretrained, folder: Path) -> None:
    """Write weights and tokenizer so that `from_pretrained(folder)` loads them."""
    pretrained.model.save_pretrained(folder)
    pretrained.tokenizer.save_pretrained(folder)


def load(folder: Path) -> Pretrained:
    """Read weights and tokenizer of a folder that `save` wrote."""
    logging.disable_progress_bar()
    llama = LlamaForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
    )
    return Pretrained(llama, AutoTokenizer.from_pretrained(folder, local_files_only=True))


def _fast(plain: Tokenizer, context: int) -> Any:
    return PreTrainedTokenizerFast(
        tokenizer_object=plain,
        model_max_length=context,
        pad_token=PAD,
        eos_token=END,
        bos_token=BEGIN,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )
