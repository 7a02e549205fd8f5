"""Solutions with their calculations annotated, `48/2=<<48/2=24>>24`: what each step computes."""

import ast
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from experiments.annotated.numerals import DIGITS, Number, Numeral, simplest, value_of

ANNOTATION = re.compile(r"<<([^<>]*)>>")
ANSWER = re.compile(r"####\s*\$?(-?[\d,]*\.?\d+)\s*$")


def _quotient(dividend: Number, divisor: Number) -> Number:
    return simplest(Fraction(dividend) / divisor)


_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _quotient,
}


class Unreadable(Exception):
    """An annotation is no calculation."""


@dataclass(frozen=True)
class Step:
    """One annotation. `literals` and `result` are its numbers, placed in the solution's text.

    `formula` reads the literals by their index.
    """

    start: int
    end: int
    literals: tuple[Numeral, ...]
    result: Numeral
    formula: ast.expr


def steps_of(solution: str) -> list[Step]:
    """The annotations in order. Raises Unreadable where one is no calculation with one result."""
    return [_step(found) for found in ANNOTATION.finditer(solution)]


def value_of_step(step: Step, literals: Sequence[Number]) -> Number:
    """What the calculation comes to with these literals. Raises ZeroDivisionError."""
    return simplest(_value(step.formula, literals))


def is_exact(step: Step) -> bool:
    """Whether the result is what the calculation comes to, to the last digit."""
    return difference(step) == 0


def computes(step: Step) -> bool:
    """Whether the result is what the calculation comes to, within rounding of its last digit."""
    decimals = len(step.result.text.partition(".")[2])
    try:
        return bool(abs(difference(step)) * 10**decimals <= Fraction(1, 2))
    except ZeroDivisionError:
        return False


def difference(step: Step) -> Number:
    """By how much the written result is above the true one."""
    return step.result.value - value_of_step(step, [literal.value for literal in step.literals])


def answer_of(solution: str) -> Numeral | None:
    """The number behind the last `####`."""
    found = ANSWER.search(solution)
    if found is None or "-" in found[1]:
        return None
    return Numeral(found.start(1), found.end(1), found[1], value_of(found[1]))


def _step(found: re.Match[str]) -> Step:
    expression, equals, result = found[1].rpartition("=")
    if not equals or "=" in expression or not DIGITS.fullmatch(result):
        raise Unreadable(found[0])
    literals = tuple(
        Numeral(found.start(1) + one.start(), found.start(1) + one.end(), one[0], value_of(one[0]))
        for one in DIGITS.finditer(expression)
    )
    place = found.start(1) + len(expression) + 1
    written = Numeral(place, place + len(result), result, value_of(result))
    return Step(found.start(), found.end(), literals, written, _formula(expression))


def _formula(expression: str) -> ast.expr:
    """The calculation with `n0`, `n1`, ... for its numbers."""
    indices = iter(range(expression.count("") + 1))
    named = DIGITS.sub(lambda _: f" n{next(indices)} ", expression)
    try:
        tree = ast.parse(named.strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise Unreadable(expression) from error
    _check(tree, expression)
    return tree


def _check(node: ast.expr, expression: str) -> None:
    match node:
        case ast.BinOp() if type(node.op) in _OPERATORS:
            _check(node.left, expression)
            _check(node.right, expression)
        case ast.UnaryOp() if isinstance(node.op, ast.UAdd | ast.USub):
            _check(node.operand, expression)
        case ast.Name(id=name) if re.fullmatch(r"n\d+", name):
            pass
        case _:
            raise Unreadable(expression)


def _value(node: ast.expr, literals: Sequence[Number]) -> Number:
    match node:
        case ast.BinOp():
            left, right = _value(node.left, literals), _value(node.right, literals)
            return _OPERATORS[type(node.op)](left, right)
        case ast.UnaryOp():
            value = _value(node.operand, literals)
            return -value if isinstance(node.op, ast.USub) else value
        case ast.Name(id=name):
            return literals[int(name[1:])]
    raise AssertionError("formulas are checked where they are read")
