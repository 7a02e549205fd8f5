"""What artifacts will cost in tokens, FLOPs and bytes, estimated from their specs alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from experiments.llm.request import CHARACTERS_PER_TOKEN, n_requests
from experiments.memory import BYTES, training_bytes
from experiments.shape import Shape, of_base

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

Described = Mapping[str, Any]  # {"kind", "spec", "inputs": {role: described}, "summary": ... or null}


@dataclass(frozen=True)
class Cost:
    """Tokens through a model, the FLOPs that takes, bytes on disk, and at most in a device's memory."""

    tokens: int
    flops: float
    bytes: int
    memory: int | None = None  # None: not estimated


def answer(artifacts: Sequence[Described], compute: Mapping[str, Any]) -> dict[str, Any]:
    """The cost of each artifact, in the same order; `compute` is how training uses a device."""
    of_training = partial(_checkpoint, compute=compute)
    makers: dict[str, Callable[[Described], Cost]] = {**_COSTS, "checkpoint": of_training}
    return {"costs": [asdict(makers[artifact["kind"]](artifact)) for artifact in artifacts]}


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
    n_tokens = round(read + (n_queries + n_responses) * TABLE_TOKENS)
    return Cost(n_tokens, 0.0, round(n_responses * (ID_BYTES + TOKEN_BYTES * TABLE_TOKENS)))


def _n_read(prompt: Mapping[str, str]) -> float:
    """Tokens of a prompt with a problem and its solution in it."""
    return len(prompt["system"] + prompt["user"]) / CHARACTERS_PER_TOKEN + TABLE_TOKENS


def _n_seeds(pool: Described) -> int:
    return int(pool["spec"]["seed"].get("n_items", TABLE_ROWS))


def _base(base: Described) -> Cost:
    if "pretrained" in base["spec"]:
        return Cost(0, 0.0, TOKENIZER_BYTES)  # its weights stay where they lie
    n_parameters, pretrain = of_base(base).n_parameters, base["spec"]["model"]["pretrain"]
    n_tokens = pretrain["tokens"] if pretrain else 0
    rehearsal = REHEARSED_ROWS * SYMBOLIC_TOKENS * TOKEN_BYTES if pretrain else 0
    return Cost(n_tokens, float(TRAINING * n_parameters * n_tokens), WEIGHT_BYTES * n_parameters + rehearsal)


def _checkpoint(checkpoint: Described, compute: Mapping[str, Any]) -> Cost:
    spec, pool, seed = checkpoint["spec"], checkpoint["inputs"]["pool"], checkpoint["inputs"].get("seed")
    base, train = checkpoint["inputs"]["base"], spec["train"]
    shape, lora = of_base(base), train.get("lora")
    n_of_pool = spec["subset"]["n"] * (_rows_per_query(pool) if spec["subset"]["unit"] == "queries" else 1.0)
    n_of_seed = _n_rows(seed) if seed else 0
    n_rows = n_of_pool + n_of_seed
    row_tokens = (n_of_pool * _row_tokens(pool) + n_of_seed * _row_tokens(seed or pool)) / max(n_rows, 1)
    if _exists(base):
        row_tokens = _tokens_for(shape, row_tokens, spec["prompt"])
    n_seen = _n_seen(train, n_rows, row_tokens)
    n_steps = n_seen / train["batch_size"]
    n_tokens = round(n_seen * row_tokens + n_steps * train["rehearsal"] * SYMBOLIC_TOKENS)
    n_saved = shape.n_adapters(lora) if lora else shape.n_parameters
    saved = BYTES[spec.get("saved_dtype", "float32")] * n_saved
    n_bytes = round(saved + ID_BYTES * n_rows + STEP_BYTES * n_steps)
    if not _exists(base):
        return Cost(n_tokens, float(TRAINING * shape.n_parameters * n_tokens), n_bytes)
    flops = n_tokens * _flops_per_token(shape, train, row_tokens, compute)
    return Cost(
        n_tokens, flops, n_bytes, training_bytes(shape, train, spec["dtype"], spec["context"], compute)
    )


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
    n_items, item_tokens = _n_asked(completions), _tokens_of(spec["source"]["kind"])
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
    source = pool["spec"]["seed"] if strategy["kind"] == "seed" else strategy["source"]
    return int(source.get("n_items", TABLE_ROWS))


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
    return int(source.get("n_items", TABLE_ITEMS))


def _tokens_of(kind: str) -> float:
    return float(SYMBOLIC_TOKENS if kind == "symbolic" else TABLE_TOKENS)
