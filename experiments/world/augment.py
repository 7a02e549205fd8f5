"""Augmentation of seed problems: new queries by five operations, or other reasoning paths."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

from experiments.world.items import Seed, seeds
from experiments.world.lexicon import Lexicon, generator, lexicon
from experiments.world.problems import PATHS, Story, Topic, another_unit, draw_response, draw_story, response
from orchestrator.specs import Operation, SymbolicSource
from orchestrator.strategies import SymbolicStrategy

TRIES = 30  # for a row that is new, before a seed problem is passed over this time


@dataclass(frozen=True)
class Row:
    """A training example, and what it was made from: `path` counts the solutions of one query."""

    source_id: str
    operation: str
    path: int
    query: str
    response: str


def augmented(
    strategy: SymbolicStrategy,
    seed: SymbolicSource,
    forbidden: frozenset[str],
    held_out: frozenset[str] = frozenset(),
) -> Iterator[Row]:
    """Draw new rows from the seed problems in turn; ends when no seed problem has a new one left.

    `held_out` are sources that nothing is made from.

    Texts of the world are in normal form (lower case, single spaces), and so is `forbidden`.
    """
    given = [problem for problem in seeds(seed) if problem.source_id not in held_out]
    if strategy.operations:
        return _new_queries(strategy, seed, given, forbidden)
    return _new_paths(strategy, seed, given, forbidden)


def _new_queries(
    strategy: SymbolicStrategy, seed: SymbolicSource, problems: Sequence[Seed], forbidden: frozenset[str]
) -> Iterator[Row]:
    known, random = lexicon(seed.world), generator("augment", strategy.generator_seed, seed.world.seed)
    pairs = {(given.story.query, given.response) for given in problems}
    paths = Counter(query for query, _ in pairs)
    while True:
        n_before = len(pairs)
        for given in problems:
            for _ in range(TRIES):
                operation = random.choice(strategy.operations)
                topic = rewritten(given.story.topic, operation, strategy.new_fact_share, known, random)
                story = draw_story(topic, known, random)
                solution = draw_response(story, known, random)
                if story.query not in forbidden and (story.query, solution) not in pairs:
                    more = _others(story, solution, known, random) if strategy.paths > 1 else []
                    new = [each for each in more if (story.query, each) not in pairs]
                    for each in (solution, *new[: strategy.paths - 1]):
                        pairs.add((story.query, each))
                        yield Row(given.source_id, operation, paths[story.query], story.query, each)
                        paths[story.query] += 1
                    break
        if len(pairs) == n_before:
            return


def rewritten(
    topic: Topic, operation: Operation, new_fact_share: float, known: Lexicon, random: Random
) -> Topic:
    """Return what a rewritten problem is about: the same people, and perhaps another unit."""
    if operation == "numbers":
        return topic
    keeps = random.random() >= new_fact_share
    first = topic.units[0] if keeps else known.draw_unit(random)
    second = (another_unit(first, random, known.draw_unit),) if operation == "concepts" else ()
    return Topic(operation, topic.name, topic.good, (first, *second))


def _new_paths(
    strategy: SymbolicStrategy, seed: SymbolicSource, problems: Sequence[Seed], forbidden: frozenset[str]
) -> Iterator[Row]:
    known, random = lexicon(seed.world), generator("paths", strategy.generator_seed, seed.world.seed)
    given = [problem for problem in problems if problem.story.query not in forbidden]
    others = [_others(problem.story, problem.response, known, random) for problem in given]
    for path in count():
        n_left = 0
        for problem, responses in zip(given, others, strict=True):
            if path < len(responses):
                n_left += 1
                yield Row(problem.source_id, "responses", path + 1, problem.story.query, responses[path])
        if not n_left:
            return


def _others(story: Story, solution: str, known: Lexicon, random: Random) -> list[str]:
    """All other solutions, in an order that is drawn."""
    every = dict.fromkeys(response(story, path, known) for path in PATHS)
    every.pop(solution)
    return random.sample(list(every), len(every))
