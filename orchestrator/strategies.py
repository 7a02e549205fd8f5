"""What a strategy may be: one way to make rows, or a mixture of ways."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.specs import (
    AnnotatedStrategy,
    AnswerRule,
    Count,
    Filters,
    LlmStrategy,
    Rate,
    Seed,
    SeedStrategy,
    Spec,
    SymbolicStrategy,
    TableStrategy,
)


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
