"""A model in the hub's layout that answers everything with the same words, each token by the one before."""

from itertools import pairwise
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.experiments.tiny_models import hub_tokenizer

CONTEXT = 160
WORDS = ["New problem: Sam buys 30 more?", "\n#### ", "42"]  # a new problem and a solution, a token each
SAYING = "".join(WORDS)


def write_parrot(folder: Path) -> Path:
    """A Llama without thoughts: attention and feed-forward parts add nothing to the last token."""
    tokenizer = hub_tokenizer("qwen2")
    tokenizer.add_tokens(WORDS)
    tokenizer.model_max_length = CONTEXT
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        vocab_size=len(tokenizer),
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    begun = tokenizer("assistant\n", add_special_tokens=False)["input_ids"][-1]
    course = [begun, *tokenizer.convert_tokens_to_ids(WORDS), tokenizer.eos_token_id]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "o_proj" in name or "down_proj" in name:
                weight.zero_()
        known = torch.nn.functional.normalize(
            torch.randn(len(tokenizer), 64, generator=torch.Generator().manual_seed(0)), dim=1
        )
        model.model.embed_tokens.weight.copy_(known)
        model.lm_head.weight.zero_()
        for token, following in pairwise(course):
            model.lm_head.weight[following] = 4 * known[token]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
