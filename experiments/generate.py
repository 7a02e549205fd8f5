"""Ask a model every item of a benchmark, and how likely it finds the reference solutions."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.inference.engine import Decoding, Engine, Question, Tick, Tokens, batches, first_stop
from experiments.inference.engines import Wish, engine_for
from experiments.inference.held import Held
from experiments.inference.proof import PROOF
from experiments.inference.weights import read_weights
from experiments.pretrained import read_tokenizer
from experiments.prompts import prompt_tokens, prompts_of, text_tokens
from experiments.resume import Paused, Progress, Resumption
from experiments.shards import Shards
from experiments.sources import Problems, read_hashed
from experiments.state import identity
from orchestrator.cell import Sampling
from orchestrator.refusal import Refused
from orchestrator.settings import Inference

SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("sample", pa.int64()),
        ("prompt_sha256", pa.string()),
        ("completion", pa.string()),
        ("n_tokens", pa.int64()),
        ("finish_reason", pa.string()),
        ("nll", pa.float64()),
        ("n_reference_tokens", pa.int64()),
    ]
)
# Answering takes about this share of the time, the references the rest.
ANSWERING = 0.6


@dataclass(frozen=True)
class Generation:
    """Makes completions, with an engine that is held for the next ones."""

    held: Held
    inference: Mapping[str, Any]  # an Inference

    def make(
        self,
        spec: Mapping[str, Any],
        inputs: Mapping[str, Path],
        into: Path,
        progress: Progress,
        places: Mapping[str, Any],
        resumption: Resumption,
    ) -> dict[str, Any]:
        """Write `completions.parquet` and `weights.json`, and return the summary.

        The end token is neither kept nor counted; a text that ends an answer is counted, not kept. The
        likelihood is that of the tokens of the reference solution behind the prompt, without the end token.
        Raises Refused where an item with what it may generate, or with its reference, does not fit into the
        context, and Paused where it is asked to pause.
        """
        weights = read_weights(inputs["weights"], inputs.get("base"))
        tokenizer = read_tokenizer(weights.folder)
        asked = _asked(spec, read_hashed(spec["source"], places), tokenizer)
        how = Inference.model_validate(self.inference)
        wish = Wish(weights, tokenizer, spec["engine"], spec["dtype"], spec["context"], how)
        engine, proof = engine_for(wish, self.held, scratch=resumption.folder)
        work = _Work(engine, progress, resumption, _made_from(spec, inputs, proof))
        with self._ended_if_broken():
            answers = work.answers(asked)
            scores = work.scores(asked) if spec["likelihood"] else None
        table = _table(asked, answers, scores, tokenizer)
        pq.write_table(table, into / "completions.parquet", compression="zstd")
        (into / PROOF).write_text(json.dumps(proof, indent=1) + "\n", encoding="utf-8")
        n_truncated = table["finish_reason"].to_pylist().count("length")
        return {
            "n_items": len(asked.problems),
            "n_samples": asked.decoding.n_samples,
            "n_truncated": n_truncated,
            "weights": proof,
        }

    @contextmanager
    def _ended_if_broken(self) -> Iterator[None]:
        """Nothing more is asked of an engine that failed in the midst of its work."""
        try:
            yield
        except Paused:
            raise
        except Exception:
            self.held.end()
            raise


@dataclass(frozen=True)
class _Asked:
    """The items as tokens, and how they are to be answered."""

    problems: Problems
    prompts: Sequence[str]
    tokens: Sequence[Tokens]
    references: Sequence[Tokens]
    decoding: Decoding


class _Work:
    """What one engine finds, batch by batch; what it found before an interruption is not asked again."""

    def __init__(self, engine: Engine, progress: Progress, resumption: Resumption, made_from: str) -> None:
        self._engine = engine
        self._progress = progress
        self._resumption = resumption
        self._made_from = made_from

    def answers(self, asked: _Asked) -> list[Any]:
        """Of each item its samples: the tokens of each, and whether the model ended it."""
        seed = 0 if asked.decoding.sampling is None else asked.decoding.sampling.seed
        questions = [
            Question(prompt, _seed(seed, item))
            for prompt, item in zip(asked.tokens, asked.problems.row_ids, strict=True)
        ]

        def answer(batch: Sequence[int], tick: Tick) -> list[Any]:
            found = self._engine.answer([questions[i] for i in batch], asked.decoding, tick)
            return [[[one.tokens, one.ended] for one in samples] for samples in found]

        lengths = [len(prompt) + asked.decoding.max_new_tokens for prompt in asked.tokens]
        together = batches(lengths, self._engine.answered, asked.decoding.n_samples)
        return self._all("answers", "item", len(lengths), together, answer)

    def scores(self, asked: _Asked) -> list[float]:
        """The negative log-likelihood of each reference given its prompt, summed over its tokens, in nats."""
        pairs = list(zip(asked.tokens, asked.references, strict=True))

        def score(batch: Sequence[int], tick: Tick) -> list[float]:
            found = self._engine.log_probabilities([pairs[i] for i in batch], tick)
            return [-sum(each) for each in found]

        lengths = [len(prompt) + len(reference) for prompt, reference in pairs]
        together = batches(lengths, self._engine.scored)
        return self._all("likelihoods", "reference", len(pairs), together, score)

    def _all(
        self,
        name: str,
        unit: str,
        n_in_all: int,
        together: Iterator[list[int]],
        find: Callable[[Sequence[int], Tick], list[Any]],
    ) -> list[Any]:
        """Which items go together does not depend on what is known already: it could change a last bit."""
        known = Shards(self._resumption, self._made_from, name)
        low, high = (0.0, ANSWERING) if name == "answers" else (ANSWERING, 1.0)
        n_done = 0

        def tick() -> None:
            if self._resumption.pause.is_set():
                raise Paused(f"{unit} {n_done} of {n_in_all}")

        for batch in together:
            if not known.have(batch):
                share = low + (high - low) * n_done / n_in_all
                self._progress(share, f"{unit} {n_done} of {n_in_all}")
                with known.kept_if_broken():
                    found = find(batch, tick)
                note = f"{unit} {n_done + len(batch)} of {n_in_all}"
                known.add(dict(zip(batch, found, strict=True)), note)
            n_done += len(batch)
        return [known[index] for index in range(n_in_all)]


def _made_from(spec: Mapping[str, Any], inputs: Mapping[str, Path], proof: Mapping[str, Any]) -> str:
    """What another engine, or another release of it, must not go on with."""
    return identity("completions", {**spec, "computed_by": proof["engine"]}, inputs)


def _asked(spec: Mapping[str, Any], problems: Problems, tokenizer: Any) -> _Asked:
    prompts = prompts_of(problems.queries, spec["prompt"], tokenizer)
    tokens = prompt_tokens(prompts, spec["prompt"], tokenizer)
    _check_fit(problems, tokens, spec["max_new_tokens"], spec["context"])
    references = text_tokens(problems.responses, tokenizer) if spec["likelihood"] else [[] for _ in prompts]
    _check_references(problems, tokens, references, spec["context"])
    sampling = Sampling.model_validate(spec["sampling"]) if "sampling" in spec else None
    decoding = Decoding(spec["max_new_tokens"], tuple(spec.get("stop", ())), sampling)
    return _Asked(problems, prompts, tokens, references, decoding)


def _table(asked: _Asked, answers: Sequence[Any], scores: Sequence[float] | None, tokenizer: Any) -> pa.Table:
    """Every sample of every item; the texts come from the tokens in one way, whatever the engine."""
    n = asked.decoding.n_samples
    samples = [sample for item in answers for sample in item]
    texts = tokenizer.batch_decode([tokens for tokens, _ in samples], skip_special_tokens=True)
    stops = [first_stop(text, asked.decoding.stop) for text in texts]
    ended = [end or stop is not None for (_, end), stop in zip(samples, stops, strict=True)]
    digests = [hashlib.sha256(prompt.encode()).hexdigest() for prompt in asked.prompts]
    lengths = [len(reference) if scores else None for reference in asked.references]

    def each(values: Sequence[Any]) -> list[Any]:
        return [value for value in values for _ in range(n)]

    columns = {
        "item_id": each(asked.problems.row_ids),
        "sample": list(range(n)) * len(answers),
        "prompt_sha256": each(digests),
        "completion": [text[:stop] for text, stop in zip(texts, stops, strict=True)],
        "n_tokens": [len(tokens) for tokens, _ in samples],
        "finish_reason": ["stop" if end else "length" for end in ended],
        "nll": each(scores or [None] * len(answers)),
        "n_reference_tokens": each(lengths),
    }
    return pa.table(columns, SCHEMA)


def _seed(seed: int, item: str) -> int:
    """Of the draws of one item: the same wherever it stands among which others."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {item}".encode(), digest_size=6).digest())


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
