"""Fine-tuning on one GPU against transformers' `Trainer`: tokens a second, share of the peak, memory.

`python benchmarks/train_gpu.py` trains a Llama of 1B parameters, random weights, on rows as long as GSM8K's,
in bfloat16: no network, no data. `--small` is a try on a machine without a GPU.
"""

import argparse
import copy
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging

from experiments.batches import Example, ShuffledBatches
from experiments.compute import settle
from experiments.cost import ATTENTION, TRAINING
from experiments.keeper import Keeper
from experiments.learner import of_any
from experiments.loop import Recipe, fit
from experiments.memory import training_bytes
from experiments.packed import attention_for
from experiments.pretrained import shape_of
from experiments.resume import Resumption

LARGE = {
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "vocab_size": 32000,
}
SMALL = {**LARGE, "hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 2, "vocab_size": 2000}
CONTEXT, IGNORED = 512, -100
# Of prompt and response together, as LLaMA-2's tokenizer counts GSM8K in the Alpaca template.
MEDIAN_TOKENS, SPREAD = 230, 0.33


@dataclass(frozen=True)
class Task:
    """What both train on."""

    config: LlamaConfig
    examples: list
    batch_size: int
    rows_at_once: int
    n_steps: int
    device: str

    @property
    def n_tokens(self):
        """Tokens that are read in all steps but the first, padding left out."""
        return sum(len(one.tokens) for one in self.examples) * (self.n_steps - 1) // self.n_steps


def main():
    """Both, one after the other, in the same process."""
    asked = _asked()
    settle()
    logging.set_verbosity_error()
    task = _task(asked.small)
    shape = shape_of(task.config, 3.0)
    flops = TRAINING * (shape.n_parameters - shape.n_embedding)
    flops += ATTENTION * shape.n_layers * shape.width * MEDIAN_TOKENS
    train = {"batch_size": task.batch_size, "precision": "bfloat16"}
    foretold = training_bytes(shape, train, "float32", CONTEXT, {"rows_at_once": task.rows_at_once})
    print(f"{shape.n_parameters / 1e9:.2f} B parameters on {task.device}, {task.n_steps} steps")
    packed = partial(_ours, layout="packed")
    for name, run in (("ours", _ours), ("packed", packed), ("Trainer", _trainer)):
        if task.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        speed = task.n_tokens / run(task)
        peak = torch.cuda.max_memory_allocated() if task.device == "cuda" else float("nan")
        used = speed * flops / asked.peak
        print(f"{name:8} {speed:10,.0f} tokens/s  {used:6.1%} of {asked.peak:.3g}  {peak / 1e9:5.1f} GB")
    print(f"memory foretold, for rows that fill the context: {foretold / 1e9:.1f} GB")


def _asked():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tiny model and few rows")
    parser.add_argument("--peak", type=float, default=989e12, help="FLOP/s of the device (H100, bfloat16)")
    return parser.parse_args()


def _task(small):
    batch_size, rows, n_steps = (8, 4, 3) if small else (128, 16, 12)
    config = LlamaConfig(**(SMALL if small else LARGE), max_position_embeddings=CONTEXT)
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(np.log(MEDIAN_TOKENS), SPREAD, batch_size * n_steps), 64, CONTEXT)
    examples = [
        Example(tuple(random.integers(3, config.vocab_size, int(length)).tolist()), int(length) // 2)
        for length in lengths
    ]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Task(config, examples, batch_size, rows, n_steps, device)


def _ours(task, layout="padded"):
    """Seconds from the end of the first step to that of the last."""
    model = LlamaForCausalLM(copy.deepcopy(task.config)).to(task.device)  # it keeps its attention there
    if layout == "packed":
        model.set_attn_implementation(attention_for("sdpa"))
    recipe = Recipe(task.n_steps, 2e-5, 1.0, 0.0, 0.0, 0.0, (0.9, 0.999), 1.0)
    batches = ShuffledBatches(task.examples, task.batch_size, [], 0, 0)
    clock = _Clock(task.device)
    with tempfile.TemporaryDirectory() as folder:
        keeper = _Watched(Resumption(Path(folder), 1e9), "b", lambda share, note: None)
        keeper.clock = clock
        n_parts = task.batch_size // task.rows_at_once
        learner = of_any(model, "bfloat16", layout)
        fit(learner, batches, recipe, lambda share, note: None, keeper, n_parts)
    return clock.seconds()


class _Clock:
    def __init__(self, device):
        self._device = device
        self._begun = None

    def after_first_step(self):
        if self._begun is None:
            self._begun = self._now()

    def seconds(self):
        return self._now() - self._begun

    def _now(self):
        if self._device == "cpu":
            return time.process_time()  # others may use the processors too
        torch.cuda.synchronize()
        return time.monotonic()


class _Watched(Keeper):
    """Starts the clock before the second step."""

    clock: _Clock

    def between_steps(self, training, n_steps):
        """As a keeper does that has nothing to save."""
        if training.steps:
            self.clock.after_first_step()


def _trainer(task):
    """The script that a user would write: rows in any order, padded to the longest of each micro-batch."""
    model = LlamaForCausalLM(task.config)
    rows = [_labelled(one) for one in task.examples]
    clock = _Clock(task.device)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=task.rows_at_once,
            gradient_accumulation_steps=task.batch_size // task.rows_at_once,
            max_steps=task.n_steps,
            learning_rate=2e-5,
            lr_scheduler_type="cosine",
            bf16=True,
            use_cpu=task.device == "cpu",
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = Trainer(model, arguments, train_dataset=rows, data_collator=_padded)
        trainer.add_callback(_Starting(clock))
        trainer.train()
    return clock.seconds()


class _Starting(TrainerCallback):
    """Starts the clock after the first step."""

    def __init__(self, clock):
        self._clock = clock

    def on_step_end(self, args, state, control, **kwargs):
        """Called by `Trainer`."""
        self._clock.after_first_step()


def _labelled(example):
    tokens = list(example.tokens)
    return {"input_ids": tokens, "labels": [IGNORED] * example.n_prompt + tokens[example.n_prompt :]}


def _padded(rows):
    width = max(len(row["input_ids"]) for row in rows)

    def column(name, filler):
        return torch.tensor([row[name] + [filler] * (width - len(row[name])) for row in rows])

    mask = torch.tensor([[1] * len(row["labels"]) + [0] * (width - len(row["labels"])) for row in rows])
    return {"input_ids": column("input_ids", 0), "labels": column("labels", IGNORED), "attention_mask": mask}


if __name__ == "__main__":
    main()
