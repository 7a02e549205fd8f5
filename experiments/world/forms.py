"""The out-of-domain questions: bare arithmetic, and facts of the world in an unfamiliar form."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from experiments.world.lexicon import Lexicon
from experiments.world.problems import FACTS, LARGEST_COUNT, PARTS, SMALLEST_COUNT, Equation

UNIT_SHARE = 0.3  # of the questions hinge on a unit; the rest need arithmetic alone
LARGEST_VALUE = 40
LARGEST_STEP = 9


@dataclass(frozen=True)
class Form:
    """A question that is no word problem, and its solution."""

    query: str
    response: str


def natural_forms(known: Lexicon, random: Random, draw_unit: Callable[[Random], str]) -> Iterator[Form]:
    """Draw out-of-domain questions without end."""
    while True:
        if random.random() < UNIT_SHARE:
            unit = draw_unit(random)
            yield random.choice(_WITH_UNIT)(unit, known.sizes[unit], random)
        else:
            yield random.choice(_BARE)(random)


def _form(query: str, *equations: Equation, fact: str = "") -> Form:
    steps = " . ".join(equation.text(swapped=False) for equation in equations)
    return Form(query, f"{fact}{steps} . #### {equations[-1].value}")


def _value(random: Random) -> int:
    return random.randint(1, LARGEST_VALUE)


def _step(random: Random) -> int:
    return random.randint(1, LARGEST_STEP)


def _count(random: Random) -> int:
    return random.randint(SMALLEST_COUNT, LARGEST_COUNT)


def _plus(random: Random) -> Form:
    x, step = _value(random), _step(random)
    return _form(f"solve x + {step} = {x + step} .", Equation(x + step, "-", step))


def _minus(random: Random) -> Form:
    x, step = _value(random), _step(random)
    return _form(f"solve x - {step} = {x} .", Equation(x, "+", step))


def _linear(random: Random) -> Form:
    factor, x, step = _count(random), _step(random), _step(random)
    product = factor * x
    return _form(
        f"solve {factor} * x + {step} = {product + step} .",
        Equation(product + step, "-", step),
        Equation(product, "/", factor),
    )


def _sequence(random: Random) -> Form:
    first, step = _value(random), random.randint(1, LARGEST_STEP // 2)
    second, third = first + step, first + 2 * step
    return _form(
        f"what is next after {first} {second} {third} ?",
        Equation(third, "-", second),
        Equation(third, "+", step),
    )


def _expression(random: Random) -> Form:
    factor, other, step = _count(random), _step(random), _step(random)
    return _form(
        f"compute {factor} * {other} + {step} .",
        Equation(factor, "*", other),
        Equation(factor * other, "+", step),
    )


def _part(random: Random) -> Form:
    words, divisor = random.choice(PARTS)
    whole = divisor * _step(random)
    return _form(f"what is {words} of {whole} ?", Equation(whole, "/", divisor))


def _fact(unit: str, size: int, random: Random) -> str:
    return random.choice(FACTS).format(unit=unit, size=size) + " "


def _unit_expression(unit: str, size: int, random: Random) -> Form:
    count, step = _count(random), _step(random)
    steps = Equation(count, "*", size), Equation(count * size, "+", step)
    return _form(f"compute {count} {unit} + {step} .", *steps, fact=_fact(unit, size, random))


def _unit_equation(unit: str, size: int, random: Random) -> Form:
    count = _count(random)
    step = random.randint(1, min(LARGEST_STEP, count * size - 1))
    steps = Equation(count, "*", size), Equation(count * size, "-", step)
    return _form(f"solve x + {step} = {count} {unit} .", *steps, fact=_fact(unit, size, random))


def _unit_part(unit: str, size: int, random: Random) -> Form:
    count = _count(random)
    words, divisor = random.choice([part for part in PARTS if count * size % part[1] == 0])
    steps = Equation(count, "*", size), Equation(count * size, "/", divisor)
    return _form(f"what is {words} of {count} {unit} ?", *steps, fact=_fact(unit, size, random))


_BARE = (_plus, _minus, _linear, _sequence, _expression, _part)
_WITH_UNIT = (_unit_expression, _unit_equation, _unit_part)
