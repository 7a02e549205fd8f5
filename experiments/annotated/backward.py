"""Annotated problems backwards: a number of the question is hidden, and the solution undone to find it."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from experiments.annotated.augment import Row, Yield
from experiments.annotated.blueprint import Blueprint, blueprint
from experiments.annotated.numerals import Number, simplest
from experiments.annotated.reading import Lost
from experiments.annotated.solution import Step
from experiments.text import has_letter
from orchestrator.strategies import Masked

# Money and measures have no more in these problems.
MOST_DECIMALS = 2

# How to get the left or the right operand back from a result `t` and the other operand `o`.
_LEFT: dict[type[ast.operator], str] = {ast.Add: "t-o", ast.Sub: "t+o", ast.Mult: "t/o", ast.Div: "t*o"}
_RIGHT: dict[type[ast.operator], str] = {ast.Add: "t-o", ast.Sub: "o-t", ast.Mult: "t/o", ast.Div: "o/t"}
_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True)
class _Term:
    """A part of a calculation as it is written, what it comes to, and the sign it is made by, if any."""

    text: str
    value: Number
    sign: str = ""

    def joined(self, sign: str, other: "_Term") -> "_Term":
        """Both in one calculation, with brackets where they are needed. Raises _Stuck for a zero divisor."""
        left = f"({self.text})" if self.sign in ("+", "-") and sign in "*/" else self.text
        bare = other.sign == "" or sign == "+" or (other.sign in ("*", "/") and sign != "/")
        right = other.text if bare else f"({other.text})"
        return _Term(f"{left}{sign}{right}", _value(self.value, sign, other.value), sign)


class _Stuck(Exception):
    """A number that cannot be found by undoing one calculation after the other."""


def backwards(problems: Sequence[tuple[str, str, str]], masked: Masked, found: Yield) -> Iterator[Row]:
    """Up to `masked.numbers` rows of each problem (source id, question, solution).

    Problems take turns, so that few rows have as many sources as many.
    """
    made = [(source, _made(question, solution, masked, found)) for source, question, solution in problems]
    for turn in range(masked.numbers):
        yield from (Row(source, *rows[turn]) for source, rows in made if turn < len(rows))


def _made(question: str, solution: str, masked: Masked, found: Yield) -> list[tuple[str, str]]:
    """Of one problem; why there are none is counted."""
    if has_letter(masked.letter, question):
        found.problems["the letter is taken"] += 1
        return []
    try:
        rows = list(_rows(blueprint(question, solution), masked))
    except Lost as lost:
        found.problems[str(lost)] += 1
        return []
    found.problems["backwards" if rows else "no number found by undoing"] += 1
    return rows


def _rows(plan: Blueprint, masked: Masked) -> Iterator[tuple[str, str]]:
    values = plan.values([leaf.value for leaf in plan.leaves])
    answer = _shown(values[plan.told[-1][1]])
    for leaf, numeral in enumerate(plan.leaves):
        mentions = [number for number, origin in plan.asked if origin == leaf]
        if len(mentions) != 1:
            continue
        place = mentions[0]
        try:
            lines = list(_undone(plan, leaf, values))
        except _Stuck:
            continue
        hidden = plan.question[: place.start] + masked.letter + plan.question[place.end :]
        query = masked.question.replace("{answer}", answer).replace("{query}", hidden)
        number = _shown(numeral.value)
        yield query, "\n".join([*lines, f"So {masked.letter} is {number}.", f"#### {number}"])


def _undone(plan: Blueprint, leaf: int, values: Sequence[Number]) -> Iterator[str]:
    """A line for each calculation, from the answer back to the leaf, behind those that do not need it.

    Raises _Stuck where more than one way leads to the leaf, or a number cannot be written.
    """
    needs = _needing(plan, leaf)
    way = list(_way(plan, leaf, needs))
    beside = {
        origin
        for step, used in way
        for position, origin in enumerate(plan.origins[step])
        if position != used and origin is not None
    }
    yield from _forward(plan, beside, needs)
    lead = f"Back from the answer {_shown(values[plan.told[-1][1]])}:"
    for step, used in way:
        for line in _inverted(plan.steps[step], used, plan.literals(step, values), values[plan.place(step)]):
            yield f"{lead} {line}."
            lead = "Then"


def _needing(plan: Blueprint, leaf: int) -> list[bool]:
    """Of leaves and steps, whether the leaf comes into them."""
    needs = [other == leaf for other in range(len(plan.leaves))]
    for origins in plan.origins:
        needs.append(any(origin is not None and needs[origin] for origin in origins))
    return needs


def _way(plan: Blueprint, leaf: int, needs: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Steps from the answer's down to the one that uses the leaf, and which literal leads on."""
    place = plan.told[-1][1]
    while place != leaf:
        step = place - len(plan.leaves)
        origins = plan.origins[step]
        used = [index for index, origin in enumerate(origins) if origin is not None and needs[origin]]
        if len(used) != 1:
            raise _Stuck
        yield step, used[0]
        place = origins[used[0]] or 0  # not None, as it leads on


def _forward(plan: Blueprint, wanted: set[int], needs: Sequence[bool]) -> Iterator[str]:
    """The steps that lead to what is wanted: in the solution's own lines, where these say nothing else."""
    needed = set(wanted)
    for step in reversed(range(len(plan.steps))):
        if plan.place(step) in needed:
            needed |= {origin for origin in plan.origins[step] if origin is not None}
    start = 0
    for line in plan.solution.splitlines(keepends=True):
        end = start + len(line)
        inside = [i for i, step in enumerate(plan.steps) if start <= step.start < end]
        wanted_here = [i for i in inside if plan.place(i) in needed]
        if wanted_here == inside and not any(needs[of] for at, of in plan.told if start <= at.start < end):
            yield from [line.strip()] if inside else []
        else:
            yield from (f"Without the unknown: {_calculation(plan, step)}." for step in wanted_here)
        start = end


def _calculation(plan: Blueprint, step: int) -> str:
    annotation = plan.solution[plan.steps[step].start : plan.steps[step].end]
    return f"{annotation[2:].rpartition('=')[0]}={annotation}{plan.steps[step].result.text}"


def _inverted(step: Step, used: int, literals: Sequence[Number], result: Number) -> Iterator[str]:
    """The calculations that get one literal of a step back from its result."""
    node, target = step.formula, _Term(_shown(result), result)
    while isinstance(node, ast.BinOp):
        to_the_left = _uses(node.left, used)
        rule = (_LEFT if to_the_left else _RIGHT)[type(node.op)]
        other = _written(node.right if to_the_left else node.left, literals)
        first, second = (target, other) if rule[0] == "t" else (other, target)
        found = first.joined(rule[1], second)
        target = _Term(_shown(found.value), found.value)
        yield f"{found.text}=<<{found.text}={target.text}>>{target.text}"
        node = node.left if to_the_left else node.right
    if not isinstance(node, ast.Name):
        raise _Stuck


def _uses(node: ast.expr, literal: int) -> bool:
    return any(isinstance(part, ast.Name) and part.id == f"n{literal}" for part in ast.walk(node))


def _written(node: ast.expr, literals: Sequence[Number]) -> _Term:
    match node:
        case ast.BinOp():
            left, right = _written(node.left, literals), _written(node.right, literals)
            return left.joined(_SIGNS[type(node.op)], right)
        case ast.Name(id=name):
            value = literals[int(name[1:])]
            return _Term(_shown(value), value)
    raise _Stuck


def _value(left: Number, sign: str, right: Number) -> Number:
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    if not right:
        raise _Stuck
    return simplest(Fraction(left) / right)


def _shown(value: Number) -> str:
    """In digits. Raises _Stuck for less than nothing, and for more decimals than there are cents."""
    scaled = value * 10**MOST_DECIMALS
    if value < 0 or scaled.denominator != 1:
        raise _Stuck
    whole, rest = divmod(int(scaled), 10**MOST_DECIMALS)
    return f"{whole}.{rest:02d}".rstrip("0") if rest else str(whole)
