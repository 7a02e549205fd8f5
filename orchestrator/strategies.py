"""The strategies: what a pool is made of, and who writes it."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.specs import AnswerRule, Count, Language, Operation, Rate, Seed, Share, Spec, TableSource


def _is_absent(value: object) -> bool:
    """What a strategy does not ask for stays out of its key, so that older keys stay what they were."""
    return value is None


class SeedStrategy(Spec):
    """The seed problems alone."""

    kind: Literal["seed"]
    name: str


class SymbolicStrategy(Spec):
    """Augmentation by the generator of the symbolic world.

    With `operations` new queries are made from seed queries, each by one of them, with up to `paths`
    reasoning paths to each; without, every row is another reasoning path to a seed query.
    """

    kind: Literal["symbolic"]
    name: str
    operations: Annotated[tuple[Operation, ...], Field(strict=False)]
    new_fact_share: Share  # how often operations other than `numbers` bring in another fact
    paths: Count = Field(1, exclude_if=lambda paths: paths == 1)
    rows: Count
    generator_seed: Seed


class Masked(Spec):
    """Backward questions: a number of a problem is hidden, and the answer is told."""

    letter: Annotated[str, Field(pattern="^[A-Za-z]$")]  # stands for the hidden number
    numbers: Count  # of a problem, each hidden in a question of its own; at most
    question: str  # with {query}, in which a number is hidden, and {answer}, the problem's own


class AnnotatedStrategy(Spec):
    """Other numbers in problems whose solutions annotate each calculation, `48/2=<<48/2=24>>24`.

    With `masked` backward questions instead, whose solutions undo the calculations.
    """

    kind: Literal["annotated"]
    name: str
    rows: Count
    generator_seed: Seed
    masked: Masked | None = Field(None, exclude_if=_is_absent)


class Filters(Spec):
    """What a row must be to stay in a pool; each may be off."""

    answer: AnswerRule | None = None  # the response has a final answer that this rule can read
    max_characters: Count | None = None  # of query and response together
    equations: bool = False  # annotated calculations come to what they say
    distinct_paths: bool = False  # of a query's responses by the same calculations only the first stays
    near_duplicates: Share | None = None  # queries at least so similar (Jaccard, words in fives) are one
    # Of query and response together, ISO 639-1; texts with hardly a word pass.
    language: Language | None = Field(None, exclude_if=_is_absent)


class TableStrategy(Spec):
    """An augmented set that exists already."""

    kind: Literal["table"]
    name: str
    source: TableSource
    filters: Filters = Filters()


class ChatPrompt(Spec):
    """What a model is asked. `{query}` and `{solution}` stand for the problem at hand and its solution."""

    system: str
    user: str

    @field_validator("user")
    @classmethod
    def _has_known_fields(cls, user: str) -> str:
        # Braces behind a letter are LaTeX's: \boxed{x}.
        fields = set(re.findall(r"(?<![A-Za-z}])\{([a-z_]{2,})\}", user))
        if "query" not in fields or fields - {"query", "solution"}:
            wish = (
                "Input should have the field {query}, may have {solution} and has no other, but has {found}"
            )
            found = ", ".join(sorted(fields)) or "none"
            told = {"found": found, "query": "{query}", "solution": "{solution}"}
            raise PydanticCustomError("fields", wish, told)
        return user


class Generator(Spec):
    """A model and how it samples."""

    model: str  # as the server names it; without a server a folder, or a name of the hub
    revision: str | None  # of the weights, for the record
    temperature: Annotated[float, Field(ge=0.0)]
    top_p: Share
    max_tokens: Count
    seed: Seed  # every request has one of its own, made of this and of what is asked


class Offline(Spec):
    """How a model is held that answers without a server."""

    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    context: Count = 2048  # tokens of a prompt and what may be written behind it; others are rejected
    tensor_parallel: Count = 1  # GPUs that share the weights
    memory_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9  # of a GPU; on a CPU of what is free


class Server(Spec):
    """Where a model answers and what that may cost: how, not what.

    `openai`: a server, at `URL/chat/completions`. `vllm`, `transformers`: no server, but that engine in the
    process that makes the pool; models are folders, or names in the hub's cache, and key, timeout and tries
    are not used.
    """

    kind: Literal["openai", "vllm", "transformers"] = "openai"
    url: str
    key: str  # environment variable with the key; a server without keys ignores it
    concurrency: Count  # requests under way at a time; without a server so many are answered together
    timeout: Rate
    tries: Count  # of one request, where the server is busy or breaks off
    budget_tokens: Annotated[int, Field(ge=0)] | None
    budget_dollars: Annotated[float, Field(ge=0.0)] | None
    dollars_per_million: Annotated[tuple[float, float], Field(strict=False)]  # tokens read, tokens written
    offline: Offline = Offline()


class LlmStrategy(Spec):
    """Augmentation by a language model: new queries by each prompt, and paths to every one of them.

    Without `prompts` the paths lead to the seed queries themselves; with `masked` a backward question
    stands in the place of each, and the hidden number in that of its answer.
    """

    kind: Literal["llm"]
    name: str
    prompts: dict[str, ChatPrompt] = Field(default_factory=dict)  # operation -> what asks for a new query
    rounds: Count  # new queries of each operation for each seed problem
    writer: Generator
    solve: ChatPrompt
    paths: Count  # responses to each query
    solver: Generator
    answer: AnswerRule
    agreement: Share  # a row's answer is the commonest of its query, and at least this share of the paths
    gold: bool  # without prompts: a row's answer is that of the seed problem; masked: the hidden number
    masked: Masked | None = Field(None, exclude_if=_is_absent)
    filters: Filters
    server: Server  # no part of any key


class RejectionStrategy(Spec):
    """Rejection sampling (Yuan et al. 2023, arXiv 2308.01825): what the fine-tuned model itself gets right.

    The cell's own model, trained by its recipe on the whole seed set, answers every seed problem `paths`
    times; answers that are right stay. Engine and precision are those of the cell's evaluation.
    """

    kind: Literal["rejection"]
    name: str
    paths: Count  # answers to each seed problem
    temperature: Rate
    top_p: Annotated[float, Field(gt=0.0, le=1.0)]
    sampling_seed: Seed
    max_new_tokens: Count
    stop: Annotated[tuple[str, ...], Field(strict=False)]  # texts that end an answer, as the end token does
    answer: AnswerRule
    subset_seed: Seed  # of the model that is sampled: one and the same for all cells, so they share the pool
    train_seed: Seed
    filters: Filters


Single = Annotated[
    SeedStrategy | SymbolicStrategy | AnnotatedStrategy | LlmStrategy | RejectionStrategy | TableStrategy,
    Field(discriminator="kind"),
]


class MixtureStrategy(Spec):
    """Rows of several strategies, in every amount in the same shares."""

    kind: Literal["mixture"]
    name: str
    parts: Annotated[dict[str, Single], Field(min_length=2)]
    weights: dict[str, Count]  # rows (or queries, where amounts count these) of each part to those of others

    @model_validator(mode="after")
    def _weighs_all_parts(self) -> "MixtureStrategy":
        if self.parts.keys() != self.weights.keys():
            wish = "Input should have a weight for each part and no other: parts {parts}, weights {weights}"
            told = {"parts": ", ".join(sorted(self.parts)), "weights": ", ".join(sorted(self.weights))}
            raise PydanticCustomError("weights", wish, told)
        return self


Strategy = Annotated[
    SeedStrategy
    | SymbolicStrategy
    | AnnotatedStrategy
    | LlmStrategy
    | RejectionStrategy
    | TableStrategy
    | MixtureStrategy,
    Field(discriminator="kind"),
]
