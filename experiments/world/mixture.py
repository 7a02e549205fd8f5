"""What the base reads before any fine-tuning: arithmetic, and problems about everyday units."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from experiments.world.forms import LARGEST_STEP, LARGEST_VALUE, natural_forms
from experiments.world.lexicon import LARGEST_SIZE, SMALLEST_SIZE, generator, lexicon
from experiments.world.problems import (
    EVEN,
    LARGEST_COUNT,
    PARTS,
    SMALLEST_COUNT,
    Equation,
    draw_response,
    stories,
)
from orchestrator.cell import Pretrain
from orchestrator.specs import World

EQUATIONS = 6  # in a row make a drill about as long as a word problem


@dataclass(frozen=True)
class Passage:
    """Text to learn from: the response, given the query; a drill has no query."""

    query: str
    response: str


def base_mixture(
    pretrain: Pretrain, world: World, forbidden: frozenset[str], purpose: str
) -> Iterator[Passage]:
    """Draw passages without end; none asks a forbidden question or names a unit of the world."""
    known, random = lexicon(world), generator(purpose, pretrain.seed, world.seed)
    problems = stories(EVEN, known, random, known.draw_everyday)
    forms = natural_forms(known, random, known.draw_everyday)
    while True:
        kind = random.random()
        if kind < pretrain.drills_share:
            yield Passage("", " ".join(f"{_equation(random)} ." for _ in range(EQUATIONS)))
            continue
        if kind < pretrain.drills_share + pretrain.everyday_share:
            story = next(problems)
            passage = Passage(story.query, draw_response(story, known, random))
        else:
            form = next(forms)
            passage = Passage(form.query, form.response)
        if passage.query not in forbidden:
            yield passage


def _equation(random: Random) -> str:
    count = random.randint(SMALLEST_COUNT, LARGEST_COUNT)
    size = random.randint(SMALLEST_SIZE, LARGEST_SIZE)
    value, step = random.randint(1, LARGEST_VALUE), random.randint(1, LARGEST_STEP)
    divisor = random.choice(PARTS)[1]
    other = random.randint(SMALLEST_COUNT, LARGEST_COUNT) * random.randint(SMALLEST_SIZE, LARGEST_SIZE)
    equation = random.choice(
        (
            Equation(count, "*", size),
            Equation(value, "+", step),
            Equation(count * size, "+", other),
            Equation(value + step, "-", step),
            Equation(divisor * size, "/", divisor),
        )
    )
    return equation.text(swapped=random.random() < 0.5)
