"""What artifacts will cost in tokens, FLOPs and bytes, estimated from their specs alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from experiments.llm.request import CHARACTERS_PER_TOKEN, n_requests, price
from experiments.memory import BYTES, MOMENTS, training_bytes
from experiments.shape import Shape, of_base
from orchestrator.identity import TRUNK

# FLOPs per parameter and token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1): of a forward pass, of
# passing gradients on to the layer before, and of those of the weights.
FORWARD, BACKWARD, OF_WEIGHTS = 2, 2, 2
TRAINING = FORWARD + BACKWARD + OF_WEIGHTS
# FLOPs per layer, width, token and length of attention, in training (Chowdhery et al. 2022, arXiv
# 2204.02311, appendix B).
ATTENTION = 12
# What a pool counts in when it estimates its tokens.
POOL_CHARACTERS = 2.5
# Prompt and response of a row together, as counted in the miniature and in GSM8K.
SYMBOLIC_TOKENS, TABLE_TOKENS = 41, 200
# A table says how long it is only when it is read: GSM8K's training and test sets stand for it.
TABLE_ROWS, TABLE_ITEMS = 7_473, 1_319
# On disk: a float32, a token of compressed text, a row of ids, a row of numbers.
WEIGHT_BYTES, TOKEN_BYTES, ID_BYTES, STEP_BYTES = 4, 3, 64, 40
TOKENIZER_BYTES = 10_000_000
REHEARSED_ROWS = 4_000
N_STATES = 2

Described = Mapping[str, Any]  # {"kind", "spec", "inputs": {role: described}, "summary": ... or null}


@dataclass(frozen=True)
class Cost:
    """Tokens through a model, the FLOPs that takes, bytes on disk, and at most in a device's memory."""

    tokens: int
    flops: float
    bytes: int
    memory: int | None = None  # None: not estimated
    state: int = 0  # bytes on disk that an interrupted stage resumes from, gone at its end
    dollars: float | None = None  # that a server asks for; None: there is none to be asked
    shared_tokens: int = 0  # of a training, those that a trunk has been through for it


def answer(artifacts: Sequence[Described], compute: Mapping[str, Any]) -> dict[str, Any]:
    """The cost of each artifact, in the same order; `compute` is how training uses a device."""
    of_training = partial(_training, compute=compute)
    makers: dict[str, Callable[[Described], Cost]] = {
        **_COSTS,
        "trunk": of_training,
        "checkpoint": of_training,
    }
    found = [replace(makers[one["kind"]](one), state=_state_bytes(one)) for one in artifacts]
    return {"costs": [asdict(cost) for cost in found]}


def _pool(pool: Described) -> Cost:
    n_rows = _n_rows(pool)
    if pool["spec"]["strategy"]["kind"] == "llm" and not pool.get("summary"):
        return _written(pool)
    return Cost(0, 0.0, round(n_rows * (ID_BYTES + TOKEN_BYTES * _row_tokens(pool))))


def _written(pool: Described) -> Cost:
    """Tokens that a model reads and writes; what that takes is the server's affair."""
    strategy = pool["spec"]["strategy"]
    n_queries, n_responses = n_requests(strategy, _n_seeds(pool))
    prompts = strategy["prompts"].values()
    read = n_responses * _n_read(strategy["solve"]) + sum(
        n_queries / len(prompts) * _n_read(p) for p in prompts
    )
    written = (n_queries + n_responses) * TABLE_TOKENS
    rates = pool["places"]["server"]["dollars_per_million"]
    n_bytes = round(n_responses * (ID_BYTES + TOKEN_BYTES * TABLE_TOKENS))
    dollars = price((round(read), written), (rates[0], rates[1]))
    return Cost(round(read) + written, 0.0, n_bytes, dollars=dollars)


def _n_read(prompt: Mapping[str, str]) -> float:
    """Tokens of a prompt with a problem and its solution in it."""
    return len(prompt["system"] + prompt["user"]) / CHARACTERS_PER_TOKEN + TABLE_TOKENS


def _n_seeds(pool: Described) -> int:
    """Seed problems that rows are made from."""
    n_given = int(pool["spec"]["seed"].get("n_items", TABLE_ROWS))
    return n_given - _n_held_out(n_given, pool["spec"].get("validation"))


def _n_held_out(n_given: int, validation: Mapping[str, Any] | None) -> int:
    if validation is None:
        return 0
    return min(int(validation.get("count") or round(validation["share"] * n_given)), n_given)


def _base(base: Described) -> Cost:
    if "pretrained" in base["spec"]:
        return Cost(0, 0.0, TOKENIZER_BYTES)  # its weights stay where they lie
    n_parameters, pretrain = of_base(base).n_parameters, base["spec"]["model"]["pretrain"]
    n_tokens = pretrain["tokens"] if pretrain else 0
    rehearsal = REHEARSED_ROWS * SYMBOLIC_TOKENS * TOKEN_BYTES if pretrain else 0
    return Cost(n_tokens, float(TRAINING * n_parameters * n_tokens), WEIGHT_BYTES * n_parameters + rehearsal)


def _training(artifact: Described, compute: Mapping[str, Any]) -> Cost:
    """Of a checkpoint, or of a trunk: what those before it have done is not done again."""
    spec, base = artifact["spec"], artifact["inputs"]["base"]
    train, shape, before = spec["train"], of_base(base), artifact["inputs"].get(TRUNK)
    n_rows, row_tokens = _subset_rows(artifact)
    n_seen = _n_seen(train, n_rows, row_tokens)
    if artifact["kind"] == "trunk":
        n_seen = _n_of_trunk(train, n_rows)
    n_shared = _n_of_trunk(before["spec"]["train"], _subset_rows(before)[0]) if before else 0.0
    per_row = row_tokens + train["rehearsal"] * SYMBOLIC_TOKENS / train["batch_size"]
    shared_tokens = round(n_shared * per_row)
    n_tokens = round(n_seen * per_row) - shared_tokens
    saved = _saved_bytes(artifact, shape) + STEP_BYTES * n_seen / train["batch_size"]
    n_bytes = round(saved + (0 if artifact["kind"] == "trunk" else ID_BYTES * n_rows))
    if not _exists(base):
        flops = float(TRAINING * shape.n_parameters * n_tokens)
        return Cost(n_tokens, flops, n_bytes, shared_tokens=shared_tokens)
    flops = n_tokens * _flops_per_token(shape, train, row_tokens, compute)
    memory = training_bytes(shape, train, spec["dtype"], spec["context"], compute)
    return Cost(n_tokens, flops, n_bytes, memory, shared_tokens)


def _subset_rows(artifact: Described) -> tuple[float, float]:
    """How many rows a training has, and how many tokens each of them."""
    spec, pool, seed = artifact["spec"], artifact["inputs"]["pool"], artifact["inputs"].get("seed")
    n_of_pool = spec["subset"]["n"] * (_rows_per_query(pool) if spec["subset"]["unit"] == "queries" else 1.0)
    n_of_seed = _n_rows(seed) if seed else 0
    n_rows = n_of_pool + n_of_seed
    row_tokens = (n_of_pool * _row_tokens(pool) + n_of_seed * _row_tokens(seed or pool)) / max(n_rows, 1)
    base = artifact["inputs"]["base"]
    return n_rows, _tokens_for(of_base(base), row_tokens, spec["prompt"]) if _exists(base) else row_tokens


def _n_of_trunk(train: Mapping[str, Any], n_rows: float) -> float:
    """How many rows come before the cooldown."""
    n_steps = math.ceil(n_rows / train["batch_size"])
    return float(train["batch_size"] * (n_steps - max(1, round(train["trunk"]["cooldown_share"] * n_steps))))


def _saved_bytes(artifact: Described, shape: Shape) -> int:
    """Weights, or the state of a training: what is trained of them, and its moments."""
    lora = artifact["spec"]["train"].get("lora")
    n_saved = shape.n_adapters(lora) if lora else shape.n_parameters
    if artifact["kind"] == "trunk":
        return n_saved * (WEIGHT_BYTES + MOMENTS)
    return int(BYTES[artifact["spec"].get("saved_dtype", "float32")] * n_saved)


def _state_bytes(artifact: Described) -> int:
    """Of the newest states of a training: what is trained, and its moments."""
    spec = artifact["spec"]
    if artifact["kind"] == "base" and not _exists(artifact):
        n_trained, size = of_base(artifact).n_parameters, WEIGHT_BYTES
    elif artifact["kind"] in ("trunk", "checkpoint"):
        shape, lora = of_base(_origin(artifact)), spec["train"].get("lora")
        n_trained = shape.n_adapters(lora) if lora else shape.n_parameters
        size = WEIGHT_BYTES if lora else BYTES[spec.get("dtype", "float32")]
    else:
        return 0
    return N_STATES * n_trained * (size + MOMENTS)


def _flops_per_token(
    shape: Shape, train: Mapping[str, Any], length: float, compute: Mapping[str, Any]
) -> float:
    """Frozen weights have no gradient of their own; checkpointing computes the forward pass once more."""
    n_used = shape.n_parameters - shape.n_embedding
    again = FORWARD if compute.get("gradient_checkpointing") else 0
    of_weights = 0 if train.get("lora") else OF_WEIGHTS
    attention = ATTENTION * (1 + again / TRAINING) * shape.n_layers * shape.width * length
    return float((FORWARD + BACKWARD + of_weights + again) * n_used + attention)


def _exists(base: Described) -> bool:
    return "pretrained" in base["spec"]


def _tokens_for(shape: Shape, row_tokens: float, prompt: str) -> float:
    """What a row has in the model's own tokens, with the template around its question."""
    template = len(prompt.replace("{query}", ""))
    return (row_tokens * POOL_CHARACTERS + template) / shape.characters_per_token


def _completions(completions: Described) -> Cost:
    spec = completions["spec"]
    n_items = _n_asked(completions)
    item_tokens = _tokens_of(spec["source"].get("of", spec["source"])["kind"])
    # Half of a row is its prompt; a trained model answers about as long as the references are.
    prompt_tokens = item_tokens / 2
    n_samples = spec.get("sampling", {}).get("n", 1)
    answer_tokens = n_samples * min(item_tokens / 2, spec["max_new_tokens"])
    scored = item_tokens if spec["likelihood"] else 0
    n_tokens = round(n_items * (prompt_tokens + answer_tokens + scored))
    shape = of_base(_origin(completions))
    flops = float(FORWARD * (shape.n_parameters - shape.n_embedding) * n_tokens)
    n_bytes = round(n_items * n_samples * (2 * ID_BYTES + TOKEN_BYTES * item_tokens / 2))
    return Cost(n_tokens, flops, n_bytes)


def _record(record: Described) -> Cost:
    return Cost(0, 0.0, 3 * ID_BYTES * _n_items(record["spec"]["source"]))


_COSTS = {
    "pool": _pool,
    "base": _base,
    "completions": _completions,
    "record": _record,
}


def _origin(artifact: Described) -> Described:
    """The base that the artifact goes back to."""
    while artifact["kind"] != "base":
        artifact = artifact["inputs"]["weights" if artifact["kind"] == "completions" else "base"]
    return artifact


def _n_rows(pool: Described) -> int:
    strategy = pool["spec"]["strategy"]
    if pool.get("summary"):
        return int(pool["summary"]["n_rows"])
    if "rows" in strategy:
        return int(strategy["rows"])
    if strategy["kind"] == "mixture":
        return sum(map(_n_rows, pool["inputs"].values()))
    if strategy["kind"] in ("llm", "rejection"):
        return n_requests(strategy, _n_seeds(pool))[1]
    return _n_seeds(pool) if strategy["kind"] == "seed" else TABLE_ROWS


def _row_tokens(pool: Described) -> float:
    if pool.get("summary"):
        return float(pool["summary"]["n_tokens_estimate"] / max(pool["summary"]["n_rows"], 1))
    kind = pool["spec"]["strategy"]["kind"]
    if kind == "mixture":
        parts = pool["inputs"].values()
        return sum(_n_rows(part) * _row_tokens(part) for part in parts) / max(_n_rows(pool), 1)
    return _tokens_of(pool["spec"]["seed"]["kind"] if kind in ("seed", "rejection") else kind)


def _rows_per_query(pool: Described) -> float:
    summary = pool.get("summary")
    return summary["n_rows"] / max(summary["n_queries"], 1) if summary else 1.0


def _n_seen(train: Mapping[str, Any], n_rows: float, row_tokens: float) -> float:
    """How many rows go through the model, counting each as often as it does."""
    budget = train["budget"]
    each = {"epochs": n_rows, "steps": train["batch_size"], "examples": 1.0, "tokens": 1.0 / row_tokens}[
        budget["unit"]
    ]
    return float(budget["value"] * each)


def _n_asked(completions: Described) -> int:
    """Items of a benchmark, or of the seed problems that the model was trained on."""
    source, pool = completions["spec"]["source"], completions["inputs"]["weights"]["inputs"].get("pool")
    return _n_seeds(pool) if pool and pool["spec"]["seed"] == source else _n_items(source)


def _n_items(source: Mapping[str, Any]) -> int:
    if source["kind"] == "held_out":
        return _n_held_out(int(source["of"].get("n_items", TABLE_ROWS)), source["validation"])
    return int(source.get("n_items", TABLE_ITEMS))


def _tokens_of(kind: str) -> float:
    return float(SYMBOLIC_TOKENS if kind == "symbolic" else TABLE_TOKENS)
