"""New problems from annotated ones: other numbers, every step computed anew, and no model asked."""

from experiments.annotated.augment import Row, Yield, varied

__all__ = ["Row", "Yield", "varied"]
