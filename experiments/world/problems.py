"""Word problems of the symbolic world: what they are about, how they read, and how they are solved."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Literal

from experiments.world.lexicon import GAINS, GOODS, KEEPS, LOSSES, NAMES, WEATHER, Lexicon

Kind = Literal["plain", "fractions", "concepts", "conditional", "complexity"]

# How seed and test problems are distributed, and how those of the base are, which has to learn every kind.
NATURAL: Mapping[Kind, float] = {
    "plain": 0.40,
    "fractions": 0.15,
    "concepts": 0.15,
    "conditional": 0.15,
    "complexity": 0.15,
}
EVEN: Mapping[Kind, float] = dict.fromkeys(NATURAL, 1 / len(NATURAL))
SMALLEST_COUNT, LARGEST_COUNT = 2, 4
LARGEST_CHANGE = 5
PARTS = (("half", 2), ("a third", 3), ("a quarter", 4), ("50 %", 2), ("25 %", 4), ("20 %", 5))

FACTS = ("each is {size} .", "a {unit} is {size} .", "one {unit} holds {size} .", "{size} in a {unit} .")
JOINTS = (" . ", " then ", " so ")
REMARKS = ("", "done . ", "checked . ")


@dataclass(frozen=True)
class Topic:
    """What a problem is about: its kind, who has what, and the units that have to be known."""

    kind: Kind
    name: str
    good: str
    units: tuple[str, ...]


@dataclass(frozen=True)
class Equation:
    """One step of a solution."""

    left: int
    sign: Literal["+", "-", "*", "/"]
    right: int

    @property
    def value(self) -> int:
        """Return what the step comes to."""
        match self.sign:
            case "+":
                return self.left + self.right
            case "-":
                return self.left - self.right
            case "*":
                return self.left * self.right
            case "/":
                return self.left // self.right

    def text(self, *, swapped: bool) -> str:
        """Write the step out; the sides of a sum may be swapped."""
        left, right = (self.right, self.left) if swapped and self.sign == "+" else (self.left, self.right)
        return f"{left} {self.sign} {right} = {self.value}"


@dataclass(frozen=True)
class Story:
    """A question in words, and the steps that answer it."""

    topic: Topic
    query: str
    equations: tuple[Equation, ...]

    @property
    def answer(self) -> int:
        """Return the number that is asked for."""
        return self.equations[-1].value


@dataclass(frozen=True)
class Path:
    """One way to write a solution down."""

    fact: str
    joint: str
    remark: str
    swapped: bool


PATHS = tuple(
    Path(fact, joint, remark, swapped)
    for fact in FACTS
    for joint in JOINTS
    for remark in REMARKS
    for swapped in (False, True)
)


def draw_topic(kind: Kind, random: Random, draw_unit: Callable[[Random], str]) -> Topic:
    """Draw who has what for a problem of this kind."""
    first = draw_unit(random)
    units = (first, another_unit(first, random, draw_unit)) if kind == "concepts" else (first,)
    return Topic(kind, random.choice(NAMES), random.choice(GOODS), units)


def another_unit(unit: str, random: Random, draw_unit: Callable[[Random], str]) -> str:
    """Draw a unit other than the given one."""
    while (other := draw_unit(random)) == unit:
        pass
    return other


def draw_story(topic: Topic, known: Lexicon, random: Random) -> Story:
    """Draw numbers and verbs for a topic."""
    held = Equation(random.randint(SMALLEST_COUNT, LARGEST_COUNT), "*", known.sizes[topic.units[0]])
    match topic.kind:
        case "plain":
            return _changes(topic, held, 1, random)
        case "fractions":
            return _fraction(topic, held, random)
        case "concepts":
            return _concepts(topic, held, known.sizes[topic.units[1]], random)
        case "conditional":
            return _conditional(topic, held, random)
        case "complexity":
            return _changes(topic, held, 2, random)


def response(story: Story, path: Path, known: Lexicon) -> str:
    """Write the solution of a problem along a path: every fact, and what follows from it, in turn."""
    facts = [path.fact.format(unit=unit, size=known.sizes[unit]) for unit in story.topic.units]
    steps = [equation.text(swapped=path.swapped) for equation in story.equations]
    *before, fact = facts
    told = "".join(f"{other} {step} . " for other, step in zip(before, steps, strict=False))
    rest = path.joint.join(steps[len(before) :])
    return f"{told}{fact} {rest} . {path.remark}#### {story.answer}"


def draw_response(story: Story, known: Lexicon, random: Random) -> str:
    """Write the solution of a problem along a path drawn at random."""
    return response(story, random.choice(PATHS), known)


def stories(
    mix: Mapping[Kind, float], known: Lexicon, random: Random, draw_unit: Callable[[Random], str]
) -> Iterator[Story]:
    """Draw problems without end, of kinds in this proportion."""
    kinds, weights = list(mix), list(accumulate(mix.values()))
    while True:
        kind = random.choices(kinds, cum_weights=weights)[0]
        yield draw_story(draw_topic(kind, random, draw_unit), known, random)


def _opening(topic: Topic, count: int) -> str:
    return f"{topic.name} has {count} {topic.units[0]} of {topic.good}"


def _fraction(topic: Topic, held: Equation, random: Random) -> Story:
    # Never without one: half of two, a third of three and a quarter of four times anything is whole.
    whole = [part for part in PARTS if held.value % part[1] == 0]
    words, divisor = random.choice(whole)
    query = f"{_opening(topic, held.left)} and {random.choice(KEEPS)} {words} . how many ?"
    return Story(topic, query, (held, Equation(held.value, "/", divisor)))


def _concepts(topic: Topic, held: Equation, second_size: int, random: Random) -> Story:
    count = random.randint(SMALLEST_COUNT, LARGEST_COUNT)
    more = Equation(count, "*", second_size)
    query = f"{_opening(topic, held.left)} and {random.choice(GAINS)} {count} {topic.units[1]} . how many ?"
    return Story(topic, query, (held, more, Equation(held.value, "+", more.value)))


def _conditional(topic: Topic, held: Equation, random: Random) -> Story:
    first, second = _change(random, held.value), _change(random, held.value)
    weather, happens = random.choice(WEATHER), random.random() < 0.5
    condition = f"if {weather} then {first.words} else {second.words}"
    today = f"today {weather}" if happens else f"today no {weather}"
    query = f"{_opening(topic, held.left)} . {condition} . {today} . how many ?"
    change = first if happens else second
    return Story(topic, query, (held, Equation(held.value, change.sign, change.number)))


def _changes(topic: Topic, held: Equation, n_changes: int, random: Random) -> Story:
    query, equations = _opening(topic, held.left), [held]
    for _ in range(n_changes):
        change = _change(random, equations[-1].value)
        equations.append(Equation(equations[-1].value, change.sign, change.number))
        query += f" and {change.words}"
    return Story(topic, f"{query} . how many ?", tuple(equations))


@dataclass(frozen=True)
class _Change:
    verb: str
    sign: Literal["+", "-"]
    number: int

    @property
    def words(self) -> str:
        return f"{self.verb} {self.number}"


def _change(random: Random, value: int) -> _Change:
    number = random.randint(1, LARGEST_CHANGE)
    if value > number and random.random() < 0.5:
        return _Change(random.choice(LOSSES), "-", number)
    return _Change(random.choice(GAINS), "+", number)
