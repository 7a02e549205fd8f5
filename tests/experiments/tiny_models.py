"""Models as the hub has them, small enough to make on the spot: folders of a Llama, a Qwen2 and a GPT-2."""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import processors
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from experiments.model import bpe_tokenizer

TEXTS = [
    "Sam has 12 apples and buys 30 more. How many apples does he have?",
    "He has 12 + 30 = 42 apples. The answer is 42",
    "### Instruction: ### Response: Below is an instruction that describes a task.",
]
CONTEXT, SIZE = 160, 320
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = LlamaConfig(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=CONTEXT,
    vocab_size=SIZE,
    tie_word_embeddings=False,
)
QWEN2 = Qwen2Config(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=CONTEXT,
    vocab_size=SIZE,
    tie_word_embeddings=True,
)
GPT2 = GPT2Config(
    n_embd=32, n_layer=2, n_head=4, n_positions=CONTEXT, vocab_size=SIZE, bos_token_id=None, eos_token_id=None
)
CONFIGS = {"llama": LLAMA, "qwen2": QWEN2, "gpt2": GPT2}


def write_model(folder: Path, kind: str, shard: str = "1GB", context: int = CONTEXT, **tokens: Any) -> Path:
    """Write weights and tokenizer as `save_pretrained` does; Llama begins texts with a token of its own."""
    tokenizer = hub_tokenizer(kind, **tokens)
    config = copy.deepcopy(CONFIGS[kind])
    config.max_position_embeddings = context
    config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
    if kind == "llama":
        # As Llama-2's: sampling settings that its own library does not let anybody save.
        sampling = {"do_sample": False, "temperature": 0.9, "top_p": 0.6}
        (folder / "generation_config.json").write_text(json.dumps(sampling))
    return folder


def hub_tokenizer(kind: str, **tokens: Any) -> Any:
    """Byte pairs without a pad token; what is given in `tokens` replaces the end token or adds to it."""
    plain = bpe_tokenizer(TEXTS * 10, SIZE - 8, CONTEXT).backend_tokenizer
    plain.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    if kind == "llama":
        begin = plain.token_to_id("<s>")
        plain.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", begin)]
        )
    named = {"bos_token": "<s>", "eos_token": "</s>", **tokens}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, model_max_length=CONTEXT, clean_up_tokenization_spaces=False, **named
    )
    if kind == "qwen2":
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def model_spec(folder: Path, **changes: Any) -> dict[str, Any]:
    """The spec of such a model."""
    return {
        "kind": "pretrained",
        "name": "tiny",
        "path": str(folder),
        "repo": None,
        "revision": None,
        "dtype": "float32",
        "context": CONTEXT,
        "prompt": "alpaca",
        **changes,
    }
