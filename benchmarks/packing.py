"""Padded, length-grouped and packed batches: tokens a second on rows as long as GSM8K's.

    python benchmarks/packing.py [FOLDER] [--rounds N] [--batch N] [--threads N] [--small]

A Llama of 100M parameters, random weights, float32 on a CPU, takes a step (forward, backward, AdamW) of each
kind in turn, round after round, each kind with batches of its own drawn from one seed. FOLDER has GSM8K's
train.jsonl; without it lengths are drawn as GSM8K has them. Seconds are of CPU time where there is no GPU, as
others may use the processors too.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from experiments.batches import WINDOW, Example, ShuffledBatches
from experiments.keeper import Keeper
from experiments.learner import of_any
from experiments.loop import Recipe, fit
from experiments.model import bpe_tokenizer
from experiments.packed import attention_for
from experiments.resume import Resumption

CONTEXT, VOCABULARY = 1024, 8192
LARGE = {
    "hidden_size": 768,
    "intermediate_size": 2176,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 12,
}
SMALL = {
    **LARGE,
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
}
SMALL["num_key_value_heads"] = 4
# Median and logarithmic spread of GSM8K's lengths in tokens of such a vocabulary; the share of prompts.
MEDIAN, SPREAD, PROMPT = 150, 0.36, 0.4
# How batches are drawn (among how many they are sorted by length) and laid out.
KINDS = {
    "padded": (1, "padded"),
    "length-grouped": (WINDOW, "padded"),
    "packed": (1, "packed"),
    "length-grouped and packed": (WINDOW, "packed"),
}


def main():
    """Steps of each kind in turn, then the table."""
    asked = _asked()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    sizes = SMALL if asked.small else LARGE
    config = LlamaConfig(
        **sizes, vocab_size=VOCABULARY, max_position_embeddings=CONTEXT, tie_word_embeddings=True
    )
    model = LlamaForCausalLM(config).to("cuda" if torch.cuda.is_available() else "cpu")
    examples = _read(asked.folder) if asked.folder else _drawn()
    lengths = np.array([len(one.tokens) for one in examples])
    print(
        f"{model.num_parameters() / 1e6:.0f}M parameters, batches of {asked.batch}, {len(examples)} rows of "
        f"{lengths.mean():.0f} tokens in the mean, {lengths.max()} at most"
    )
    took, read, padding = defaultdict(float), defaultdict(int), defaultdict(int)
    for number in range(asked.rounds):
        for kind, (window, layout) in KINDS.items():
            batches = ShuffledBatches(examples, asked.batch, [], 0, number, window=window)
            seconds, step = _step(model, batches, layout)
            took[kind] += seconds
            read[kind] += step.n_read
            padding[kind] += step.n_padding
    for kind in KINDS:
        speed, share = read[kind] / took[kind], padding[kind] / (padding[kind] + read[kind])
        ratio = speed * took["padded"] / read["padded"]
        print(f"{kind:27}{speed:9.1f} tokens/s  {ratio:5.2f} x padded  {share:6.1%} padding", flush=True)


def _asked():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="a model of 5M parameters")
    return parser.parse_args()


def _step(model, batches, layout):
    """Seconds of one step, and what it did."""
    model.set_attn_implementation(attention_for("sdpa") if layout == "packed" else "sdpa")
    learner = of_any(model, "float32", layout)
    recipe = Recipe(1, 1e-5, 1.0, 0.0, 0.0, 0.0, (0.9, 0.999), 1.0)
    with tempfile.TemporaryDirectory() as folder:
        keeper = Keeper(Resumption(Path(folder), 1e9), "benchmark", lambda share, note: None)
        begun = _now()
        [step] = fit(learner, batches, recipe, lambda share, note: None, keeper)
        return _now() - begun, step


def _now():
    if not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.monotonic()


def _read(folder):
    """The training rows, in tokens of a vocabulary learnt from them."""
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    pairs = [(f"Question: {row['question']}\nAnswer: ", row["answer"]) for row in rows]
    tokenizer = bpe_tokenizer((text for pair in pairs for text in pair), VOCABULARY, CONTEXT)
    prompts, answers = (tokenizer(list(texts))["input_ids"] for texts in zip(*pairs, strict=True))
    end = tokenizer.eos_token_id
    return [
        Example((*before, *after, end), len(before)) for before, after in zip(prompts, answers, strict=True)
    ]


def _drawn():
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(np.log(MEDIAN), SPREAD, 7473), 50, 500).astype(int)
    return [
        Example(tuple(random.integers(4, VOCABULARY, length).tolist()), int(length * PROMPT))
        for length in lengths
    ]


if __name__ == "__main__":
    main()
