"""Every way of making training data: a single strategy, or a mixture of several."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.specs import (
    AnnotatedStrategy,
    Count,
    LlmStrategy,
    RejectionStrategy,
    SeedStrategy,
    Single,
    Spec,
    SymbolicStrategy,
    TableStrategy,
)


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
