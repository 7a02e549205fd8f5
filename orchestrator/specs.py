"""The vocabulary: what one cell is, as strict frozen values that YAML must match to the letter."""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError


class Spec(BaseModel):
    """A value that crosses a file: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def _is_absent(value: object) -> bool:
    """What a strategy does not ask for stays out of its key, so that older keys stay what they were."""
    return value is None


Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(gt=0.0)]
Operation = Literal["numbers", "fractions", "concepts", "conditional", "complexity"]
# YAML has lists where a frozen value needs tuples.
Operations = Annotated[tuple[Operation, ...], Field(strict=False, min_length=1)]
AnswerRule = Literal["gsm8k", "math"]
Language = Annotated[str, Field(pattern="^[a-z]{2}$")]


class World(Spec):
    """The symbolic world of the miniature: word problems that hinge on long-tailed hidden facts."""

    seed: Seed
    n_units: Count  # facts of the world, ranked by how common they are
    n_everyday_units: Count  # facts that the base model already knows, disjoint from the others
    zipf_alpha: Rate
    zipf_offset: Rate


class SymbolicSource(Spec):
    """Problems drawn from the symbolic world."""

    kind: Literal["symbolic"]
    world: World
    part: Literal["seed", "test", "ood"]
    n_items: Count


class TableSource(Spec):
    """Problems read from a JSONL or Parquet file, a folder of them, or a data set of the hub.

    `path` is a file, or a folder that holds `<split>.jsonl` or the hub's own layout; without it,
    `repo` (with `config` and `revision`) names a data set of the hub. Only the digest of the content
    enters a key, never the place it was read from.
    """

    kind: Literal["table"]
    path: str | None = None
    repo: str | None = None
    config: str | None = None
    revision: str | None = None
    split: str
    query: str  # column with the problem, or a text with columns in it: "{Body} {Question}"
    response: str  # column with the solution
    source: str | None = None  # column that names the seed problem; None: pairing by source is off
    where: dict[str, str] = {}  # column -> pattern that its whole text must match; other rows are left out
    distinct: bool = False  # of rows that are the same, only the first counts


GivenSource = Annotated[SymbolicSource | TableSource, Field(discriminator="kind")]


class Validation(Spec):
    """Which sources are held out of the seed problems, before any order is drawn: a share or a count.

    Hyperparameters are chosen on them, never on test.
    """

    share: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    count: Count | None = None
    seed: Seed = 0  # of the hash that chooses them

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.share is None) == (self.count is None):
            raise PydanticCustomError("one", "Input should have either a share or a count")
        return self


class HeldOutSource(Spec):
    """The problems whose sources are held out: a benchmark with the role of validation."""

    kind: Literal["held_out"]
    of: GivenSource
    validation: Validation


Source = Annotated[SymbolicSource | TableSource | HeldOutSource, Field(discriminator="kind")]


class Data(Spec):
    """Seed problems, and the benchmarks whose items no pool may contain."""

    name: str
    path: str | None = None  # a folder that the sources below may refer to; never part of identity
    seed: GivenSource
    decontaminate: dict[str, GivenSource]
    validation: Validation | None = None  # part of identity only where it holds something out


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
    prompts: dict[str, ChatPrompt] = {}  # operation -> what asks for a new query
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
