"""New problems from annotated ones: other numbers, or backwards; every step computed, and no model asked."""

from collections.abc import Iterator, Sequence

from experiments.annotated.augment import Row, Yield, varied
from experiments.annotated.backward import backwards
from orchestrator.strategies import AnnotatedStrategy

__all__ = ["Row", "Yield", "rows"]


def rows(
    strategy: AnnotatedStrategy, problems: Sequence[tuple[str, str, str]], found: Yield
) -> Iterator[Row]:
    """All that a strategy can make of problems (source id, question, solution)."""
    if strategy.masked:
        return backwards(problems, strategy.masked, found)
    return varied(problems, strategy.generator_seed, found)
