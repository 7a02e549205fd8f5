"""Expressions over the axes of a sweep that say which points to leave out."""

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.refusal import Refused

OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, many: item in many,
    ast.NotIn: lambda item, many: item not in many,
}


@dataclass(frozen=True)
class Exclusion:
    """A plain boolean expression over axes, such as `strategy == 'numbers' and amount > 1024`."""

    text: str
    tree: ast.expr
    names: frozenset[str]

    def holds(self, point: Mapping[str, object]) -> bool:
        """Whether the point is to be left out; a point without all of the expression's axes never is."""
        if not self.names <= point.keys():
            return False
        try:
            return _truth(self.tree, point)
        except (TypeError, ZeroDivisionError) as error:
            place = ", ".join(f"{name}={point[name]}" for name in sorted(self.names))
            raise Refused(f"exclude '{self.text}' has no answer at {place}: {error}") from error


def parse(text: object, axes: Collection[str]) -> Exclusion:
    """Raises Refused for anything but a plain boolean expression over the given axes."""
    try:
        tree = ast.parse(str(text), mode="eval").body
        names = frozenset(_names(tree))
    except (SyntaxError, ValueError) as error:
        raise _refused(text, axes, "is not a plain boolean expression") from error
    unknown = sorted(names - set(axes))
    if unknown:
        raise _refused(text, axes, f"names '{unknown[0]}', which is no axis of this sweep")
    return Exclusion(str(text), tree, names)


def _refused(text: object, axes: Collection[str], complaint: str) -> Refused:
    return Refused(
        f"exclude '{text}' {complaint}: compare {', '.join(sorted(axes))} with values "
        "(==, !=, <, <=, >, >=, in), joined by and, or, not"
    )


def _names(node: ast.expr) -> set[str]:
    """The axes that a node speaks of; ValueError for a node that has no place here."""
    match node:
        case ast.Name() | ast.Attribute():
            return {_dotted(node)}
        case ast.Constant():
            return set()
        case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
            return set().union(*(_names(part) for part in parts))
        case ast.UnaryOp(op=op, operand=part) if type(op) in OPERATORS:
            return _names(part)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return _names(left) | _names(right)
        case ast.Compare(left=left, ops=ops, comparators=rest) if all(type(op) in OPERATORS for op in ops):
            return _names(left).union(*(_names(part) for part in rest))
    raise ValueError(ast.unparse(node))


def _dotted(node: ast.expr) -> str:
    """An axis such as `train.learning_rate` parses as attributes of a name."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError(ast.unparse(node))


def _value(node: ast.expr, point: Mapping[str, object]) -> Any:
    match node:
        case ast.Name() | ast.Attribute():
            return point[_dotted(node)]
        case ast.Constant(value=value):
            return value
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_value(part, point) for part in parts]
        case ast.BoolOp(op=op, values=parts):
            return (all if isinstance(op, ast.And) else any)(_truth(part, point) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return not _truth(part, point)
        case ast.Compare():
            return _compare(node, point)
    return _arithmetic(node, point)


def _truth(node: ast.expr, point: Mapping[str, object]) -> bool:
    value = _value(node, point)
    if not isinstance(value, bool):
        raise TypeError(f"'{ast.unparse(node)}' is {value!r} and neither true nor false")
    return value


def _compare(node: ast.Compare, point: Mapping[str, object]) -> bool:
    values = [_value(part, point) for part in (node.left, *node.comparators)]
    steps = zip(node.ops, values, values[1:], strict=False)
    return all(OPERATORS[type(op)](left, right) for op, left, right in steps)


def _arithmetic(node: ast.expr, point: Mapping[str, object]) -> Any:
    match node:
        case ast.UnaryOp(op=op, operand=part):
            return OPERATORS[type(op)](_value(part, point))
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](_value(left, point), _value(right, point))
    raise AssertionError(f"parse() let {ast.unparse(node)} through")
