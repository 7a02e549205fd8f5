"""The vLLM back end: the one module that knows vLLM. Imported only where it is asked for."""

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch
from pydantic import ValidationError
from transformers import AutoConfig

from experiments.inference.engine import (
    Answer,
    Decoding,
    Limit,
    Pair,
    Question,
    Tick,
    without_end,
)
from orchestrator.refusal import Refused
from orchestrator.settings import Inference

# Read by vLLM when it is imported; what the user has set stays.
SETTINGS = {
    # The engine lives in this process, or swaps and proofs would cross to another one.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # Several stages share a machine: each has its threads, and none is bound to the cores of another.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
}
for name, value in SETTINGS.items():
    os.environ.setdefault(name, value)

import vllm  # noqa: E402
from vllm import LLM, SamplingParams  # noqa: E402
from vllm.distributed.parallel_state import cleanup_dist_env_and_memory  # noqa: E402
from vllm.inputs import TokensPrompt  # noqa: E402
from vllm.model_executor.layers.utils import dispatch_cpu_unquantized_gemm  # noqa: E402
from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend  # noqa: E402

# Answers that are computed at once on a CPU; its cache is made for these and no more.
CPU_ROWS = 128
BLOCK = 128  # tokens that the cache of a CPU hands out together
BYTES = {"float32": 4, "bfloat16": 2}


class WeightSwap:
    """What vLLM's workers learn to do besides; vLLM mixes it into their class."""

    model_runner: Any

    def swap_weights(self, folder: str) -> None:
        """Read other weights of the same architecture into the model that is there."""
        self.model_runner.reload_weights(weights_path=folder)
        mend_tied_heads(self.model_runner.model)


def mend_tied_heads(model: Any) -> None:
    """Pack anew what a CPU computes with, where a module shares its weight with another.

    vLLM 0.32 repacks the module that the weight was loaded into, and leaves a tied head with the old one.
    Modules that gave their weight away in packing are as they should be, and stay so.
    """
    for module in model.modules():
        if hasattr(module, "cpu_linear") and isinstance(getattr(module, "weight", None), torch.Tensor):
            dispatch_cpu_unquantized_gemm(module, remove_weight=False)


class Vllm:
    """vLLM's offline engine, which takes other weights while it runs."""

    release = f"vllm {vllm.__version__}"
    # A crash loses what is computed at once, so this is not the whole benchmark.
    answered = Limit(rows=512)
    scored = Limit(rows=512)

    def __init__(self, folder: Path, ends: Sequence[int], dtype: str, context: int, how: Inference) -> None:
        self._ends = ends
        with _as_vllm_expects(), _in_our_words(folder):
            self._llm = LLM(
                model=str(folder),
                dtype=dtype,
                max_model_len=context,
                seed=0,
                generation_config="vllm",  # nothing of the folder's own sampling
                worker_extension_cls=f"{WeightSwap.__module__}.{WeightSwap.__name__}",
                tensor_parallel_size=how.tensor_parallel,
                **_room(folder, dtype, context, how.memory_share),
            )

    def swap(self, folder: Path) -> None:
        """Take the weights of another folder; nothing that was computed before is kept."""
        with _as_vllm_expects():
            self._llm.collective_rpc("swap_weights", args=(str(folder),))
            if not self._llm.reset_prefix_cache():
                raise RuntimeError("vLLM did not reset its prefix cache")

    def end(self) -> None:
        """Give back the memory; the engine cannot be used any more."""
        self._llm.llm_engine.engine_core.shutdown()
        del self._llm
        gc.collect()
        cleanup_dist_env_and_memory()

    def answer(self, questions: Sequence[Question], decoding: Decoding, tick: Tick) -> list[list[Answer]]:
        """As the protocol says; raises whatever `tick` raises, with nothing left in the engine."""
        outputs = self._computed(
            [question.prompt for question in questions],
            [self._decoding(question, decoding) for question in questions],
            tick,
        )
        return [
            [
                Answer(list(answer.tokens), answer.ended or sample.finish_reason == "stop")
                for sample in sorted(output.outputs, key=lambda sample: sample.index)
                for answer in [without_end(list(sample.token_ids), self._ends)]
            ]
            for output in outputs
        ]

    def log_probabilities(self, pairs: Sequence[Pair], tick: Tick) -> list[list[float]]:
        """The last token is scored as the only one that may be generated, as none may fit behind it."""
        rows = [[*prompt, *reference] for prompt, reference in pairs]
        scoring = [
            SamplingParams(
                max_tokens=1,
                temperature=0.0,
                allowed_token_ids=row[-1:],
                logprobs=0,
                prompt_logprobs=0,
                detokenize=False,
                flat_logprobs=True,
            )
            for row in rows
        ]
        outputs = self._computed([row[:-1] for row in rows], scoring, tick)
        return [
            [*output.prompt_logprobs.logprobs, *output.outputs[0].logprobs.logprobs][len(prompt) - 1 :]
            for output, (prompt, _) in zip(outputs, pairs, strict=True)
        ]

    def _decoding(self, question: Question, decoding: Decoding) -> SamplingParams:
        sampling = decoding.sampling
        drawn = (
            {"temperature": 0.0}
            if sampling is None
            else {
                "n": sampling.n,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "seed": question.seed,
            }
        )
        return SamplingParams(
            max_tokens=decoding.max_new_tokens,
            stop=list(decoding.stop),
            stop_token_ids=list(self._ends),
            detokenize=bool(decoding.stop),
            **drawn,
        )

    def _computed(
        self, prompts: Sequence[list[int]], parameters: Sequence[SamplingParams], tick: Tick
    ) -> list[Any]:
        """What vLLM makes of each prompt, in their order."""
        engine = self._llm.llm_engine
        with _as_vllm_expects():
            asked = [TokensPrompt(prompt_token_ids=prompt) for prompt in prompts]
            waiting = self._llm.enqueue(asked, list(parameters), use_tqdm=False)
            found = []
            try:
                while engine.has_unfinished_requests():
                    tick()
                    found += [output for output in engine.step() if output.finished]
            except BaseException:
                engine.abort_request(waiting, internal=True)
                raise
        assert len(found) == len(prompts), "vLLM answers every request"
        return sorted(found, key=lambda output: int(output.request_id))


def _room(folder: Path, dtype: str, context: int, memory_share: float) -> dict[str, Any]:
    """How much memory vLLM may take, and whether it compiles, which on a CPU takes longer than it saves."""
    if torch.cuda.is_available():
        return {"gpu_memory_utilization": memory_share}
    config = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if size not in (served := CPUAttentionBackend.get_supported_head_sizes()):
        raise Refused(
            f"heads of {size} dimensions, as {folder} has them, are none that vLLM serves on a CPU "
            f"({', '.join(map(str, served))}); choose evaluate.engine=transformers"
        )
    a_token = 2 * config.num_hidden_layers * heads * size * BYTES[dtype]
    an_answer = -(-context // BLOCK) * BLOCK * a_token
    room = int(memory_share * psutil.virtual_memory().available)
    if room < an_answer:
        raise Refused(
            f"one answer of {context} tokens takes {an_answer / 2**20:,.0f} MiB, and of the free memory "
            f"cluster.inference.memory_share={memory_share} is {room / 2**20:,.0f} MiB; raise the share"
        )
    rows = min(CPU_ROWS, room // an_answer)
    return {"kv_cache_memory_bytes": (rows + 1) * an_answer, "max_num_seqs": rows, "enforce_eager": True}


@contextmanager
def _in_our_words(folder: Path) -> Iterator[None]:
    """What keeps an engine from starting: a model that vLLM does not know, or too little memory."""
    try:
        yield
    except ValidationError as error:
        raise Refused(
            f"vLLM cannot serve {folder}: {error.errors()[0]['msg']}; choose evaluate.engine=transformers"
        ) from error
    except ValueError as error:
        if "memory" not in str(error):
            raise
        raise (torch.OutOfMemoryError if torch.cuda.is_available() else MemoryError)(str(error)) from error


@contextmanager
def _as_vllm_expects() -> Iterator[None]:
    """What vLLM changes in this process, and what it does not bear, for as long as it computes."""
    set_num_threads, deterministic = torch.set_num_threads, torch.are_deterministic_algorithms_enabled()
    stance = "default" if torch.cuda.is_available() else "force_eager"
    # Deterministic torch fills the cache before each use, and refuses some kernels of vLLM.
    torch.use_deterministic_algorithms(False)
    try:
        with torch.compiler.set_stance(stance):
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads = set_num_threads
