"""One point of the grid: subset, model, recipe and what is asked of it, beside data and strategy."""

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.specs import AnswerRule, Count, Data, Rate, Seed, Share, Source, Spec
from orchestrator.strategies import Strategy


class Subset(Spec):
    """How an amount becomes rows: the first `amount` of the pool in a keyed-hash order."""

    order: Literal["breadth", "rows", "grouped"]
    unit: Literal["examples", "queries"]
    with_seed: bool  # the whole seed set rides along in every cell
    axis: Literal["augmented", "total"]  # whether the amount counts the seed set that rides along


class Pretrain(Spec):
    """What the base learns before any fine-tuning (the miniature's own; a downloaded model has none)."""

    tokens: Count
    batch_size: Count
    learning_rate: Rate
    seed: Seed
    drills_share: Share  # packed arithmetic drills
    everyday_share: Share  # word problems about everyday units; the rest is out-of-domain forms


# A text with {query}, or the name of a template: `orchestrator.prompts` has them.
Prompt = Annotated[str, Field(pattern=r"\{query\}|^(alpaca|chat|plain)$")]
Dtype = Literal["float32", "bfloat16"]


class NewModel(Spec):
    """A Llama made from nothing, its tokenizer included."""

    kind: Literal["new"]
    name: str
    hidden_size: Count
    intermediate_size: Count
    n_layers: Count
    n_heads: Count
    context: Count
    init_seed: Seed
    tokenizer: Literal["words", "bpe"]  # words of the world, or trained on the seed pool
    vocabulary: Count | None  # size of a trained tokenizer; None: as many as the world has
    prompt: Prompt  # the response follows it
    pretrain: Pretrain | None


class PretrainedModel(Spec):
    """A causal language model that exists: a folder in the hub's layout, or a repository of the hub.

    Only the digest of its files enters a key, never the place they were read from.
    """

    kind: Literal["pretrained"]
    name: str
    path: str | None  # a folder; null: `repo`, as far as it is in the hub's cache
    repo: str | None
    revision: str | None
    dtype: Dtype  # in which weights are held while they are trained
    saved_dtype: Dtype  # in which all weights are saved; adapters are saved as they are trained
    context: Count  # tokens of prompt and response together; at most what the model was made for
    prompt: Prompt


Model = Annotated[NewModel | PretrainedModel, Field(discriminator="kind")]


class Budget(Spec):
    """How long a cell trains. Constant epochs and constant steps are different studies."""

    unit: Literal[
        "epochs", "steps", "examples", "tokens"
    ]  # tokens of prompts and responses, as they are read
    value: Rate


class Lora(Spec):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685), trained in place of the weights."""

    rank: Count
    alpha: Count  # adapters count alpha / rank
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    # Names of modules, as in q_proj; all-linear: every linear layer but the head.
    targets: Literal["all-linear"] | Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class Trunk(Spec):
    """One pass in nested order at a constant rate, which amounts share, and a cooldown for each of them.

    Hägele et al. 2024, arXiv 2405.18392.
    """

    warmup_steps: Annotated[int, Field(ge=0)]  # not a share: they are the same for every amount
    cooldown_share: Annotated[float, Field(gt=0.0, le=1.0)]  # of the steps of an amount
    # How the rate falls, by the share t of the cooldown: 1 - t, 1 - sqrt(t), (1 + cos(pi t)) / 2.
    cooldown: Literal["linear", "sqrt", "cosine"]
    shared: bool = True  # false: every amount is trained by itself, to see what sharing changes

    def n_cooldown(self, n_steps: int) -> int:
        """How many of the steps are the cooldown's."""
        return max(1, round(self.cooldown_share * n_steps))


class Train(Spec):
    """The recipe of fine-tuning. Loss on the response only, normalised by the tokens of the batch.

    What has a default enters keys only where it differs: a recipe that does not know it keeps its key.
    """

    budget: Budget
    batch_size: Count
    learning_rate: Rate
    embedding_rate_factor: Rate
    warmup_share: Share
    final_rate_share: Share  # cosine or cooldown ends at this share of the peak
    weight_decay: Annotated[float, Field(ge=0.0)]
    betas: Annotated[tuple[float, float], Field(strict=False)]
    clip: Rate
    rehearsal: Annotated[int, Field(ge=0)]  # sequences of the base mixture added to each batch
    precision: Dtype = "float32"  # of the arithmetic; bfloat16 is torch's autocast
    lora: Lora | None = None  # None: all weights are trained
    too_long: Literal["error", "drop", "truncate"] = "error"  # an example above the context
    # Whether batches hold examples of like length, so that little is padded; else they are as drawn.
    group_by_length: bool = True
    trunk: Trunk | None = None  # None: every amount is shuffled, with a cosine of its own


class Benchmark(Spec):
    """Test items, and how an answer is taken from a completion."""

    role: Literal["in_domain", "out_of_domain", "validation"]
    source: Source
    answer: AnswerRule
    prompt: Prompt | None = None  # None: the model's own
    max_new_tokens: Count
    stop: Annotated[
        tuple[str, ...], Field(strict=False)
    ] = ()  # texts that end an answer, as the end token does
    likelihood: bool  # also the likelihood of the reference solutions


class Sampling(Spec):
    """Several answers to each item, drawn; the seed of an item's draws depends on its id and on this one."""

    n: Count
    temperature: Rate
    top_p: Annotated[float, Field(gt=0.0, le=1.0)]
    seed: Seed


class Evaluate(Spec):
    """What a checkpoint is asked, and by which engine."""

    engine: Literal["transformers", "vllm"]
    dtype: Literal["float32", "bfloat16"]
    sampling: Sampling | None = None  # None: one answer, greedy
    benchmarks: dict[str, Benchmark]


class Cell(Spec):
    """One point of the grid: everything that can change a number in the paper."""

    data: Data
    strategy: Strategy
    amount: int | float | str  # count, fraction of the pool, or a fraction written as "1/32"
    subset_seed: Seed
    train_seed: Seed
    subset: Subset
    model: Model
    train: Train
    evaluate: Evaluate
