"""The transformers back end: the embedded default, and what other back ends are held against."""

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
import transformers
from torch.nn.functional import log_softmax
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from experiments import checkpoint
from experiments.inference.engine import (
    Answer,
    Decoding,
    Limit,
    Pair,
    Question,
    Tick,
    Tokens,
    first_stop,
    without_end,
)
from experiments.inference.weights import Weights, ends_of

# Stands in padded places, which are never looked at; a token of every vocabulary.
FILLER = 0
# Tokens at the end of an answer that may be a part of a character and no text yet.
UNFINISHED = 8


class Transformers:
    """One set of weights in plain transformers: no code of its own, no network."""

    release = f"transformers {transformers.__version__}"
    # The fastest of those tried on a CPU with the miniature's Llama.
    answered = Limit(rows=150, tokens=16_384)
    scored = Limit(rows=32, tokens=4_096)

    def __init__(self, weights: Weights, tokenizer: Any, dtype: str, device: str | None = None) -> None:
        model = checkpoint.read(weights.folder, dtype, weights.base)
        self.model = model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
        self.tokenizer = tokenizer
        self._ends = ends_of(weights, tokenizer)

    @torch.inference_mode()
    def answer(self, questions: Sequence[Question], decoding: Decoding, tick: Tick) -> list[list[Answer]]:
        """As the protocol says. What is drawn depends on the seeds of all that go together."""
        tokens, mask = _left_padded([question.prompt for question in questions], self.model.device)
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(_together(questions))
            rows = self.model.generate(
                input_ids=tokens,
                attention_mask=mask,
                generation_config=self._config(decoding),
                stopping_criteria=self._stopping(decoding, tokens.shape[1]),
            )
        answers = [without_end(row, self._ends) for row in rows[:, tokens.shape[1] :].tolist()]
        n = decoding.n_samples
        return [answers[start : start + n] for start in range(0, len(answers), n)]

    @torch.inference_mode()
    def log_probabilities(self, pairs: Sequence[Pair], tick: Tick) -> list[list[float]]:
        """Rows are padded on the right, where causal attention never looks, so no mask slows it down."""
        device = self.model.device
        starts = torch.tensor([len(prompt) for prompt, _ in pairs], device=device)
        lengths = [len(reference) for _, reference in pairs]
        ends = starts + torch.tensor(lengths, device=device)
        first, width = int(starts.min()), int(ends.max())
        rows = [[*prompt, *after] + [FILLER] * (width - len(prompt) - len(after)) for prompt, after in pairs]
        tokens = torch.tensor(rows, device=device)
        places = torch.arange(first, width, device=device)
        logits = self.model(input_ids=tokens[:, :-1], use_cache=False, logits_to_keep=places - 1).logits
        inside = (places >= starts[:, None]) & (places < ends[:, None])
        chosen = tokens[:, first:][inside]
        each = log_softmax(logits[inside].float(), dim=-1).gather(-1, chosen[:, None])[:, 0]
        return [part.tolist() for part in torch.split(each, lengths)]

    def _config(self, decoding: Decoding) -> GenerationConfig:
        """Said in full, as a downloaded model may come with sampling of its own."""
        sampling = decoding.sampling
        drawn = (
            {"do_sample": False}
            if sampling is None
            else {
                "do_sample": True,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": 0,
                "num_return_sequences": sampling.n,
            }
        )
        return GenerationConfig(
            max_new_tokens=decoding.max_new_tokens,
            num_beams=1,
            eos_token_id=list(self._ends),
            pad_token_id=self._ends[0],
            **drawn,
        )

    def _stopping(self, decoding: Decoding, n_prompt: int) -> StoppingCriteriaList:
        found = [_Stop(self.tokenizer, decoding.stop, n_prompt)] if decoding.stop else []
        return StoppingCriteriaList(found)


class _Stop(StoppingCriteria):  # type: ignore[misc]
    """Ends a row whose last tokens hold one of the texts."""

    def __init__(self, tokenizer: Any, stop: Sequence[str], n_prompt: int) -> None:
        self._tokenizer = tokenizer
        self._stop = stop
        self._n_prompt = n_prompt
        # A token is at least one byte of text, but for those that are no text at all.
        self._n_looked_at = max(len(text.encode()) for text in stop) + UNFINISHED

    def __call__(self, input_ids: torch.Tensor, scores: Any, **more: Any) -> torch.Tensor:
        start = max(self._n_prompt, input_ids.shape[1] - self._n_looked_at)
        texts = self._tokenizer.batch_decode(input_ids[:, start:], skip_special_tokens=True)
        done = [first_stop(text, self._stop) is not None for text in texts]
        return torch.tensor(done, device=input_ids.device)


def _together(questions: Sequence[Question]) -> int:
    seeds = ",".join(str(question.seed) for question in questions)
    return int.from_bytes(hashlib.blake2b(seeds.encode(), digest_size=6).digest())


def _left_padded(rows: Sequence[Tokens], device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    tokens = torch.tensor([[FILLER] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return tokens, mask
