"""One cell as a user would write it: `python benchmarks/plain_trainer.py BASE ROWS TRAIN SEED INTO`.

The base is loaded, the rows (JSON lines of query and response) are tokenized, and transformers' `Trainer`
runs the recipe with its default collator: rows in random order, padded to the longest. What the base had
read rides along as the recipe says, one sequence for so many examples. `mini_training.py` starts this for
each cell.
"""

import json
import random
import sys
from pathlib import Path

import pyarrow.parquet as pq
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
    set_seed,
)

PROMPT = "{query} ->"
IGNORED = -100


def main():
    """Train and save."""
    base, rows, train, seed, into = sys.argv[1:]
    train, seed = json.loads(train), int(seed)
    set_seed(seed)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base)
    examples = [_example(json.loads(line), tokenizer) for line in Path(rows).read_text().splitlines()]
    rehearsed = _rehearsed(Path(base), len(examples) * train["rehearsal"] // train["batch_size"])
    arguments = TrainingArguments(
        into,
        per_device_train_batch_size=train["batch_size"] + train["rehearsal"],
        num_train_epochs=train["budget"]["value"],
        learning_rate=train["learning_rate"],
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": train["final_rate_share"]},
        warmup_steps=train["warmup_share"],
        max_grad_norm=train["clip"],
        use_cpu=True,
        seed=seed,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    optimizer = torch.optim.AdamW(_groups(model, train), betas=tuple(train["betas"]))
    trainer = Trainer(
        model,
        arguments,
        train_dataset=examples + rehearsed,
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        optimizers=(optimizer, None),
    )
    trainer.train()
    trainer.save_model(into)
    tokenizer.save_pretrained(into)


def _example(row, tokenizer):
    prompt = tokenizer(PROMPT.format(query=row["query"]))["input_ids"]
    response = [*tokenizer(row["response"])["input_ids"], tokenizer.eos_token_id]
    return {"input_ids": prompt + response, "labels": [IGNORED] * len(prompt) + response}


def _rehearsed(base, n_rows):
    table = pq.read_table(base / "rehearsal.parquet").to_pylist()
    chosen = random.choices(table, k=n_rows)
    return [
        {"input_ids": row["tokens"], "labels": [IGNORED] * row["n_prompt"] + row["tokens"][row["n_prompt"] :]}
        for row in chosen
    ]


def _groups(model, train):
    embeddings = model.get_input_embeddings().weight
    body = [weight for weight in model.parameters() if weight is not embeddings]
    rate = train["learning_rate"]
    return [
        {"params": body, "lr": rate, "weight_decay": train["weight_decay"]},
        {"params": [embeddings], "lr": rate * train["embedding_rate_factor"], "weight_decay": 0.0},
    ]


if __name__ == "__main__":
    main()
