"""The symbolic world of the miniature: word problems that hinge on long-tailed hidden facts."""

from experiments.world.augment import Row, augmented
from experiments.world.items import Problem, items
from experiments.world.lexicon import vocabulary
from experiments.world.mixture import Passage, base_mixture

__all__ = ["Passage", "Problem", "Row", "augmented", "base_mixture", "items", "vocabulary"]
