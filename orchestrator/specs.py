"""The vocabulary: strict frozen values that YAML must match to the letter, and what a cell's data are."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class Spec(BaseModel):
    """A value that crosses a file: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


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
