"""Ask a model every item of a benchmark, and how likely it finds the reference solutions."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, GenerationConfig

from experiments import checkpoint
from experiments.prompts import prompt_tokens, prompts_of, text_tokens
from experiments.resume import Progress, Resumption
from experiments.shards import Shards
from experiments.sources import Problems, read_hashed
from experiments.state import identity
from orchestrator.refusal import Refused


@dataclass(frozen=True)
class Limit:
    """How many rows, and how many tokens with their padding, go through the model at once."""

    rows: int
    tokens: int

    def allows(self, n_rows: int, longest: int) -> bool:
        """Whether so many rows, padded to the longest, may go together."""
        return n_rows <= self.rows and n_rows * longest <= self.tokens


# How much goes through the model at once; the fastest of those tried on a CPU with the miniature's Llama.
GENERATED = Limit(rows=150, tokens=16_384)
SCORED = Limit(rows=32, tokens=4_096)
# Stands in padded places, which are never looked at; a token of every vocabulary.
FILLER = 0

SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("prompt_sha256", pa.string()),
        ("completion", pa.string()),
        ("n_tokens", pa.int64()),
        ("finish_reason", pa.string()),
        ("nll", pa.float64()),
        ("n_reference_tokens", pa.int64()),
    ]
)
Tokens = list[int]


@dataclass(frozen=True)
class Reader:
    """Weights, their tokenizer, and how many tokens they may see at once."""

    model: Any
    tokenizer: Any
    context: int

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """Each text alone, as training tokenizes prompts and responses."""
        return text_tokens(texts, self.tokenizer)


def make_completions(
    spec: Mapping[str, Any],
    inputs: Mapping[str, Path],
    into: Path,
    progress: Progress,
    places: Mapping[str, Any],
    resumption: Resumption,
) -> dict[str, Any]:
    """Write `completions.parquet` and return its summary.

    Decoding is greedy and stops at the end token, which is neither kept nor counted. The likelihood is that
    of the tokens of the reference solution behind the prompt, without the end token. Raises Refused where an
    item with what it may generate, or with its reference, does not fit into the context, and Paused where it
    is asked to pause.
    """
    made_from = identity("completions", spec, inputs)
    problems = read_hashed(spec["source"], places)
    reader = load(inputs["weights"], spec["dtype"], spec["context"], inputs.get("base"))
    prompts = prompts_of(problems.queries, spec["prompt"], reader.tokenizer)
    asked = prompt_tokens(prompts, spec["prompt"], reader.tokenizer)
    _check_fit(problems, asked, spec["max_new_tokens"], reader.context)
    answers = greedy(
        reader,
        asked,
        spec["max_new_tokens"],
        _within(progress, 0.0, 0.6),
        Shards(resumption, made_from, "answers"),
    )
    if spec["likelihood"]:
        references = reader.tokens(problems.responses)
        _check_references(problems, asked, references, reader.context)
        known = Shards(resumption, made_from, "likelihoods")
        scores: list[Any] = likelihoods(reader, asked, references, _within(progress, 0.6, 1.0), known)
        lengths: list[Any] = list(map(len, references))
    else:
        scores = lengths = [None] * len(problems)
    ended = [len(answer) > 0 and answer[-1] == reader.tokenizer.eos_token_id for answer in answers]
    kept = [answer[:-1] if end else answer for answer, end in zip(answers, ended, strict=True)]
    columns = {
        "item_id": problems.row_ids,
        "prompt_sha256": [hashlib.sha256(prompt.encode()).hexdigest() for prompt in prompts],
        "completion": reader.tokenizer.batch_decode(kept, skip_special_tokens=True),
        "n_tokens": list(map(len, kept)),
        "finish_reason": ["stop" if end else "length" for end in ended],
        "nll": scores,
        "n_reference_tokens": lengths,
    }
    pq.write_table(pa.table(columns, SCHEMA), into / "completions.parquet", compression="zstd")
    return {"n_items": len(problems), "n_truncated": ended.count(False)}


def load(folder: Path, dtype: str, context: int, base: Path | None = None) -> Reader:
    """Read weights with plain transformers: no code of their own, no network; adapters need their base."""
    model = checkpoint.read(folder, dtype, base)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return Reader(model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer, context)


@torch.inference_mode()
def greedy(
    reader: Reader, prompts: Sequence[Tokens], max_new_tokens: int, progress: Progress, known: Shards
) -> list[Tokens]:
    """What the model adds to each prompt, up to and including the end token or `max_new_tokens`.

    Which prompts go together does not depend on what is known already: it could change a last bit.
    """
    end = reader.tokenizer.eos_token_id
    # Said in full, as a downloaded model may come with sampling of its own.
    config = GenerationConfig(
        max_new_tokens=max_new_tokens, do_sample=False, num_beams=1, eos_token_id=end, pad_token_id=end
    )
    for n_done, batch in _batches([len(prompt) + max_new_tokens for prompt in prompts], GENERATED):
        if known.have(batch):
            continue
        progress(n_done / len(prompts), f"item {n_done} of {len(prompts)}")
        tokens, mask = _left_padded([prompts[index] for index in batch], reader.model.device)
        rows = reader.model.generate(input_ids=tokens, attention_mask=mask, generation_config=config)
        added = rows[:, tokens.shape[1] :].tolist()
        answers = [row[: row.index(end) + 1] if end in row else row for row in added]
        known.add(dict(zip(batch, answers, strict=True)), f"item {n_done + len(batch)} of {len(prompts)}")
    return [known[index] for index in range(len(prompts))]


@torch.inference_mode()
def likelihoods(
    reader: Reader,
    prompts: Sequence[Tokens],
    references: Sequence[Tokens],
    progress: Progress,
    known: Shards,
) -> list[float]:
    """The negative log-likelihood of each reference behind its prompt, summed over its tokens, in nats."""
    pairs = list(zip(prompts, references, strict=True))
    for n_done, batch in _batches([len(prompt) + len(reference) for prompt, reference in pairs], SCORED):
        if known.have(batch):
            continue
        progress(n_done / len(pairs), f"reference {n_done} of {len(pairs)}")
        scores = _score_batch(reader.model, [pairs[i] for i in batch])
        known.add(dict(zip(batch, scores, strict=True)), f"reference {n_done + len(batch)} of {len(pairs)}")
    return [known[index] for index in range(len(pairs))]


def _score_batch(model: Any, pairs: Sequence[tuple[Tokens, Tokens]]) -> list[float]:
    """Rows are padded on the right, where causal attention never looks, so no mask slows it down."""
    starts = torch.tensor([len(prompt) for prompt, _ in pairs], device=model.device)
    lengths = [len(reference) for _, reference in pairs]
    ends = starts + torch.tensor(lengths, device=model.device)
    first, width = int(starts.min()), int(ends.max())
    rows = [
        [*prompt, *reference] + [FILLER] * (width - len(prompt) - len(reference))
        for prompt, reference in pairs
    ]
    tokens = torch.tensor(rows, device=model.device)
    places = torch.arange(first, width, device=model.device)
    logits = model(input_ids=tokens[:, :-1], use_cache=False, logits_to_keep=places - 1).logits
    inside = (places >= starts[:, None]) & (places < ends[:, None])
    each = cross_entropy(logits[inside].float(), tokens[:, first:][inside], reduction="none").double()
    return [part.sum().item() for part in torch.split(each, lengths)]


def _batches(lengths: Sequence[int], limit: Limit) -> Iterator[tuple[int, list[int]]]:
    """Indices of rows of like length that go together, with how many came before them."""
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and limit.allows(stop + 1 - start, lengths[order[stop]]):
            stop += 1
        yield start, order[start:stop]
        start = stop


def _left_padded(rows: Sequence[Tokens], device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    tokens = torch.tensor([[FILLER] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return tokens, mask


def _within(progress: Progress, low: float, high: float) -> Progress:
    return lambda done, note: progress(low + (high - low) * done, note)


def _check_fit(problems: Problems, asked: Sequence[Tokens], max_new_tokens: int, context: int) -> None:
    for index, prompt in enumerate(asked):
        if not prompt:
            raise Refused(f"the prompt of {problems.place(index)} has no tokens; give model.prompt some text")
        if len(prompt) + max_new_tokens > context:
            raise Refused(
                f"{problems.place(index)} has a prompt of {len(prompt)} tokens, which with "
                f"max_new_tokens={max_new_tokens} is above the context of {context}; lower max_new_tokens to "
                f"{max(context - max(map(len, asked)), 0)} or raise model.context"
            )


def _check_references(
    problems: Problems, asked: Sequence[Tokens], references: Sequence[Tokens], context: int
) -> None:
    for index, (prompt, reference) in enumerate(zip(asked, references, strict=True)):
        if len(prompt) + len(reference) > context:
            raise Refused(
                f"{problems.place(index)} has {len(prompt)} tokens of prompt and {len(reference)} of "
                f"reference, above the context of {context}; raise model.context or set likelihood to false"
            )
