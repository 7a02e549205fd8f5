"""A model in this process that answers the requests of a strategy: no server, a batch at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from jinja2 import TemplateError

from experiments import hub
from experiments.compute import settle
from experiments.inference.engine import Decoding, Engine, Question, Tokens, batches
from experiments.inference.engines import Wish, engine_for
from experiments.inference.held import Held
from experiments.inference.weights import read_weights
from experiments.llm.request import Answer, Request
from experiments.pretrained import read_tokenizer
from experiments.prompts import text_tokens
from experiments.resume import Resumption
from orchestrator.cell import Sampling
from orchestrator.files import read_json, write_json
from orchestrator.refusal import Refused
from orchestrator.settings import Inference
from orchestrator.strategies import Generator, Server

REJECTED = Answer("", "rejected", 0, 0)
PROOFS = "engines.json"  # which weights answered, by the generator's model


@dataclass(frozen=True)
class _Loaded:
    """A generator's model, ready to answer."""

    model: tuple[str, str | None]  # its name and revision
    tokenizer: Any
    engine: Engine


class Offline:
    """Holds one model at a time, from the first request for it on; a context manager that frees it."""

    def __init__(self, server: Server, resumption: Resumption) -> None:
        self._server, self._resumption = server, resumption
        self._held = Held()
        self._loaded: _Loaded | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._loaded = None
        self._held.end()

    def ask(self, requests: Sequence[Request], tick: Callable[[], None]) -> list[Answer]:
        """The answers to requests of one generator; raises whatever `tick` raises, which is called meanwhile.

        What does not fit into the context with all that may be written is rejected, as servers do. Raises
        Refused where the model is not there, cannot be held, or cannot be chatted with.
        """
        generator = requests[0].generator
        loaded = self._model(generator)
        prompts = [_prompt(request, loaded.tokenizer) for request in requests]
        room = self._server.offline.context - generator.max_tokens
        fit = [place for place, prompt in enumerate(prompts) if len(prompt) <= room]
        questions = [Question(prompts[place], requests[place].seed) for place in fit]
        found = _answers(loaded, questions, generator, tick)
        answered = {fit[place]: answer for place, answer in found.items()}
        return [answered.get(place, REJECTED) for place in range(len(requests))]

    def most_tokens(self, request: Request) -> tuple[int, int]:
        """How many tokens are read for a request, and how many may be written."""
        tokenizer = self._model(request.generator).tokenizer
        return len(_prompt(request, tokenizer)), request.generator.max_tokens

    def proofs(self) -> dict[str, Any]:
        """Which weights answered, by the generator's model: each way that they were held, of all tries."""
        path = self._resumption.folder / PROOFS
        found: dict[str, Any] = read_json(path) if path.exists() else {}
        return found

    def _model(self, generator: Generator) -> _Loaded:
        wanted = (generator.model, generator.revision)
        if self._loaded is None or self._loaded.model != wanted:
            self._loaded = None
            self._held.end()
            self._loaded = self._load(generator)
        return self._loaded

    def _load(self, generator: Generator) -> _Loaded:
        settle()
        how, folder = self._server.offline, _folder_of(generator)
        tokenizer = read_tokenizer(folder)
        if not tokenizer.chat_template:
            raise Refused(
                f"the generator '{generator.model}' has no chat template, so nothing can be asked of it; "
                "choose a model that was made to be chatted with"
            )
        spread = Inference(tensor_parallel=how.tensor_parallel, memory_share=how.memory_share)
        weights, state = read_weights(folder, None), self._resumption.folder
        wish = Wish(weights, tokenizer, self._server.kind, how.dtype, how.context, spread)
        engine, proof = engine_for(wish, self._held, scratch=state)
        self._note(generator.model, {**proof, "dtype": how.dtype})
        return _Loaded((generator.model, generator.revision), tokenizer, engine)

    def _note(self, model: str, proof: Mapping[str, Any]) -> None:
        known = self.proofs()
        if proof not in known.setdefault(model, []):
            known[model].append(dict(proof))
        write_json(self._resumption.folder / PROOFS, known)


def _folder_of(generator: Generator) -> Path:
    try:
        if Path(generator.model).expanduser().is_dir():
            return hub.folder_of(generator.model, None, None)
        return hub.folder_of(None, generator.model, generator.revision)
    except Refused as refused:
        raise Refused(
            f"the generator '{generator.model}' must be a folder or a model of the hub, as it answers "
            f"without a server: {refused}"
        ) from refused


def _prompt(request: Request, tokenizer: Any) -> Tokens:
    """A request in tokens, by the template of the tokenizer."""
    try:
        text: str = tokenizer.apply_chat_template(
            request.body["messages"], tokenize=False, add_generation_prompt=True
        )
    except TemplateError as error:
        raise Refused(
            f"the chat template of '{request.generator.model}' takes no system message ({error}); "
            "choose another model for this strategy"
        ) from error
    [tokens] = text_tokens([text], tokenizer)
    return tokens


def _answers(
    loaded: _Loaded, questions: Sequence[Question], generator: Generator, tick: Callable[[], None]
) -> dict[int, Answer]:
    """By the place of the question."""
    drawn = None
    if generator.temperature > 0:
        drawn = Sampling(n=1, temperature=generator.temperature, top_p=generator.top_p, seed=generator.seed)
    decoding, found = Decoding(generator.max_tokens, (), drawn), {}
    lengths = [len(question.prompt) + generator.max_tokens for question in questions]
    for places in batches(lengths, loaded.engine.answered):
        answers = loaded.engine.answer([questions[place] for place in places], decoding, tick)
        for place, [answer] in zip(places, answers, strict=True):
            text = loaded.tokenizer.decode(answer.tokens, skip_special_tokens=True)
            reason = "stop" if answer.ended else "length"
            found[place] = Answer(text, reason, len(questions[place].prompt), len(answer.tokens))
    return found
