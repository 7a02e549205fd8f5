"""Vary the numbers of all problems of a source in turn."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from experiments.annotated.blueprint import blueprint
from experiments.annotated.draw import Variant, variants
from experiments.annotated.reading import Lost


@dataclass(frozen=True)
class Row:
    """A problem with other numbers, and the one that it was made from."""

    source_id: str
    query: str
    response: str


@dataclass
class Yield:
    """How many problems could be varied, and why the others could not; complete when the rows are drawn."""

    problems: Counter[str] = field(default_factory=Counter)


def varied(problems: Sequence[tuple[str, str, str]], generator_seed: int, found: Yield) -> Iterator[Row]:
    """Draw from each problem (source id, question, solution) in turn, until none has another variant.

    What a problem gives depends on its texts and the seed alone, not on the other problems.
    """
    turns = [(source, drawn) for source, drawn in _drawing(problems, generator_seed, found)]
    n_rounds = 0
    while turns:
        left = []
        for source, drawn in turns:
            variant = next(drawn, None)
            if variant is not None:
                left.append((source, drawn))
                found.problems["varied"] += not n_rounds
                yield Row(source, variant.question, variant.solution)
            elif not n_rounds:
                found.problems["no other numbers fit"] += 1
        turns, n_rounds = left, n_rounds + 1


def _drawing(
    problems: Sequence[tuple[str, str, str]], generator_seed: int, found: Yield
) -> Iterator[tuple[str, Iterator[Variant]]]:
    for source, question, solution in problems:
        random = Random(f"{generator_seed}/{question}/{solution}")  # noqa: S311 - nothing here is secret
        try:
            yield source, variants(blueprint(question, solution), random)
        except Lost as lost:
            found.problems[str(lost)] += 1
