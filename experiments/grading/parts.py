"""What an answer is made of: numbers, words and expressions; alone, and in lists, intervals, matrices."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Leaf:
    """What is compared as one: a number, a word, or an expression.

    `text` is without blanks; `number` is its exact value where it has one. `name` is what stood left of an
    equals sign. `digits` are those of a number in another base. Where the text says something in several
    ways, as `2 + 3 = 5` does, `sides` are those that would do alone; `open` tells that they would not where
    this is the reference, as `x + y = 5` asks for more than 5.
    """

    text: str
    number: Fraction | None = None
    percent: bool = False
    word: bool = False
    digits: str = ""
    base: int = 10
    name: str = ""
    sides: tuple["Value", ...] = ()
    open: bool = False


@dataclass(frozen=True)
class Group:
    """Several values. `kind` is a pair of brackets, `matrix`, `row`, or `set` where order means nothing."""

    kind: str
    parts: tuple["Value", ...]
    text: str
    name: str = ""


Value = Leaf | Group
