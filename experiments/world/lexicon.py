"""The words of the symbolic world, and its facts: how much every unit holds, and how common it is."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, product
from random import Random
from types import MappingProxyType

from orchestrator.refusal import Refused
from orchestrator.specs import World


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES = _words("sam mia leo ann tom eva max zoe ben ida jon kim ray una paul rosa")
GOODS = _words("coins shells beads pens cards nuts rings stamps eggs bolts seeds cups dolls keys pins figs")
GAINS = _words("finds buys wins gets picks makes")
LOSSES = _words("loses sells breaks drops gives uses")
KEEPS = _words("keeps saves takes holds wants needs")
WEATHER = _words("rain snow wind fog sun hail")
GRAMMAR = _words(
    "-> . + - * / = #### % each is a one holds in has of and keeps if then else today no how many ? "
    "so half third quarter done checked solve x compute next after what"
)
LARGEST = 99  # every whole number up to it is one word

SMALLEST_SIZE, LARGEST_SIZE = 2, 9


@dataclass(frozen=True)
class Lexicon:
    """The units of one world, the most common first, and what each of them holds."""

    units: tuple[str, ...]
    everyday: tuple[str, ...]
    sizes: Mapping[str, int]
    reach: tuple[float, ...]  # share of all draws that fall on this unit or a more common one

    def draw_unit(self, random: Random) -> str:
        """Draw a unit of the world, common ones more often."""
        return self.units[min(bisect_right(self.reach, random.random()), len(self.units) - 1)]

    def draw_everyday(self, random: Random) -> str:
        """Draw one of the units that the base knows."""
        return random.choice(self.everyday)


def generator(*parts: str | int) -> Random:
    """Return a generator that depends on nothing but the given words and numbers."""
    return Random("/".join(map(str, parts)))  # noqa: S311 - nothing here is secret


@lru_cache(maxsize=8)
def lexicon(world: World) -> Lexicon:
    """Return the words and facts of a world; unit k of n is drawn in proportion to (k + offset)^-alpha."""
    random = generator("lexicon", world.seed)
    words = list(_nonsense())
    if world.n_units + world.n_everyday_units > len(words):
        raise Refused(
            f"a world has at most {len(words)} units, not "
            f"{world.n_units} + {world.n_everyday_units}: lower n_units or n_everyday_units"
        )
    drawn = random.sample(words, world.n_units + world.n_everyday_units)
    weights = [(rank + world.zipf_offset) ** -world.zipf_alpha for rank in range(1, world.n_units + 1)]
    total = math.fsum(weights)
    return Lexicon(
        units=tuple(drawn[: world.n_units]),
        everyday=tuple(drawn[world.n_units :]),
        sizes=MappingProxyType({unit: random.randint(SMALLEST_SIZE, LARGEST_SIZE) for unit in drawn}),
        reach=tuple(accumulate(weight / total for weight in weights)),
    )


def vocabulary(world: World) -> list[str]:
    """Return every word that a text of this world can hold, each once."""
    known = lexicon(world)
    plain = (*GRAMMAR, *NAMES, *GOODS, *GAINS, *LOSSES, *KEEPS, *WEATHER)
    numbers = map(str, range(LARGEST + 1))
    return list(dict.fromkeys((*plain, *numbers, *known.everyday, *known.units)))


def _nonsense() -> Iterator[str]:
    taken = {*GRAMMAR, *NAMES, *GOODS, *GAINS, *LOSSES, *KEEPS, *WEATHER}
    consonants, vowels = "bdfgklmnprstvz", "aeiou"
    for letters in product(consonants, vowels, consonants, vowels, consonants):
        word = "".join(letters)
        if word not in taken:
            yield word
