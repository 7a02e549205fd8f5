"""Seed problems and benchmarks of the symbolic world."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import islice

from experiments.world.forms import natural_forms
from experiments.world.lexicon import generator, lexicon
from experiments.world.problems import NATURAL, Story, draw_response, stories
from orchestrator.specs import SymbolicSource, World


@dataclass(frozen=True)
class Problem:
    """A question and one solution of it."""

    source_id: str
    query: str
    response: str


@dataclass(frozen=True)
class Seed:
    """A seed problem, and what it is about."""

    source_id: str
    story: Story
    response: str


def items(source: SymbolicSource) -> list[Problem]:
    """Return the problems of a part of the world: all different, and more of them begin with the same."""
    if source.part == "seed":
        found = [Problem(seed.source_id, seed.story.query, seed.response) for seed in seeds(source)]
    elif source.part == "test":
        found = list(islice(_tests(source.world), source.n_items))
    else:
        found = list(islice(_out_of_domain(source.world), source.n_items))
    return found


@lru_cache(maxsize=8)
def seeds(source: SymbolicSource) -> tuple[Seed, ...]:
    """Return the seed problems of a world with what they are about."""
    return tuple(islice(_seeds(source.world), source.n_items))


def _seeds(world: World) -> Iterator[Seed]:
    known, random = lexicon(world), generator("seed", world.seed)
    seen: set[str] = set()
    for story in stories(NATURAL, known, random, known.draw_unit):
        solution = draw_response(story, known, random)
        if story.query not in seen and not _is_for_tests(story.query):
            seen.add(story.query)
            yield Seed(f"seed-{len(seen):05d}", story, solution)


def _tests(world: World) -> Iterator[Problem]:
    known, random = lexicon(world), generator("test", world.seed)
    seen: set[str] = set()
    for story in stories(NATURAL, known, random, known.draw_unit):
        solution = draw_response(story, known, random)
        if story.query not in seen and _is_for_tests(story.query):
            seen.add(story.query)
            yield Problem(f"test-{len(seen):05d}", story.query, solution)


def _out_of_domain(world: World) -> Iterator[Problem]:
    known, random = lexicon(world), generator("ood", world.seed)
    seen: set[str] = set()
    for form in natural_forms(known, random, known.draw_unit):
        if form.query not in seen:
            seen.add(form.query)
            yield Problem(f"ood-{len(seen):05d}", form.query, form.response)


def _is_for_tests(query: str) -> bool:
    """Split all possible questions in two halves, whatever the number of seeds or tests."""
    return blake2b(query.encode(), digest_size=1).digest()[0] < 128
