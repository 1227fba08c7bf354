"""Patterns: small expression trees that are matched backwards from a value.

    x = anything()
    gate = op(Clip, op(Add, x, const(3.0)), minimum=0.0, maximum=6.0)
    hard_swish = op(Div, op(Mul, x, gate), const(6.0))
    found = match(hard_swish, value)
    found[x]

Operands of commutative operators match in either order. A variable that appears twice must be bound
to one value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from fpc.ir.graph import Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import Add, Maximum, Minimum, Mul

_COMMUTATIVE = (Add, Mul, Maximum, Minimum)
_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Anything:
    """Matches any value; the match tells which."""


@dataclass(frozen=True, eq=False)
class Const:
    """Matches a constant whose elements all equal `value` within 1e-5 (any constant for None)."""

    value: float | None = None


@dataclass(frozen=True, eq=False)
class OpPattern:
    """Matches a value made by an operator of one of `classes` from matching operands.

    `attributes` must equal the operator's (floats within 1e-5).
    """

    classes: tuple[type[Op], ...]
    operands: tuple[Pattern, ...]
    attributes: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class OneOf:
    """Matches what any of the `alternatives` matches, tried in order."""

    alternatives: tuple[Pattern, ...]


Pattern: TypeAlias = Anything | Const | OpPattern | OneOf


@dataclass(frozen=True)
class Match:
    """A successful match: the values bound to patterns, and the nodes that would be replaced."""

    bindings: dict[Pattern, Value] = field(default_factory=dict[Pattern, Value])
    nodes: tuple[Node[Op], ...] = ()

    def __getitem__(self, pattern: Pattern) -> Value:
        return self.bindings[pattern]

    @property
    def root(self) -> Node[Op]:
        """The node that makes the matched value."""
        return self.nodes[0]

    def escapes(self) -> Node[Op] | None:
        """An inner node that something outside the match reads too, None when there is none."""
        inside = set(self.nodes)
        for node in self.nodes[1:]:
            for value in node.outputs:
                if any(use.user not in inside for use in value.uses):
                    return node
        return None


def anything() -> Anything:
    """A pattern that matches any value."""
    return Anything()


def const(value: float | None = None) -> Const:
    """A pattern that matches a constant, all of whose elements are `value` if it is given."""
    return Const(value)


def op(
    classes: type[Op] | tuple[type[Op], ...], *operands: Pattern, **attributes: Any
) -> OpPattern:
    """A pattern that matches the result of an operator applied to matching operands."""
    if isinstance(classes, type):
        classes = (classes,)
    return OpPattern(classes, operands, tuple(attributes.items()))


def one_of(*alternatives: Pattern) -> OneOf:
    """A pattern that matches what any of `alternatives` matches."""
    return OneOf(alternatives)


def match(pattern: Pattern, value: Value) -> Match | None:
    """The first way in which `pattern` matches `value`, None when it does not."""
    return next(_matches(pattern, value, Match()), None)


def scalar_of(value: Value) -> float | None:
    """The number that every element of a constant equals, None for anything else."""
    if value.constant is None or value.constant.is_abstract or value.type.size == 0:
        return None
    data = value.data
    first = data.flat[0]
    return float(first) if np.all(data == first) else None


def _matches(pattern: Pattern, value: Value, found: Match) -> Iterator[Match]:
    bound = found.bindings.get(pattern)
    if bound is not None:
        if bound is value:
            yield found
        return
    match pattern:
        case Anything():
            yield Match({**found.bindings, pattern: value}, found.nodes)
        case Const(expected):
            number = scalar_of(value) if expected is not None else None
            fits = value.is_constant and (
                expected is None or (number is not None and _close(number, expected))
            )
            if fits:
                yield Match({**found.bindings, pattern: value}, found.nodes)
        case OneOf(alternatives):
            for alternative in alternatives:
                for inner in _matches(alternative, value, found):
                    yield Match({**inner.bindings, pattern: value}, inner.nodes)
        case OpPattern():
            yield from _matches_op(pattern, value, found)


def _matches_op(pattern: OpPattern, value: Value, found: Match) -> Iterator[Match]:
    node = value.producer
    if node is None or not isinstance(node.op, pattern.classes) or len(node.outputs) != 1:
        return
    for name, expected in pattern.attributes:
        actual = getattr(node.op, name)
        close = (
            _close(actual, expected)
            if isinstance(actual, float) and isinstance(expected, float)
            else actual == expected
        )
        if not close:
            return
    operands = node.operands
    if len(operands) != len(pattern.operands):
        return
    start = Match({**found.bindings, pattern: value}, (*found.nodes, node))
    orders = [operands]
    if isinstance(node.op, _COMMUTATIVE):
        orders.append((operands[1], operands[0]))
    for order in orders:
        yield from _matches_all(pattern.operands, order, start)


def _matches_all(
    patterns: tuple[Pattern, ...], values: tuple[Value, ...], found: Match
) -> Iterator[Match]:
    if not patterns:
        yield found
        return
    for first in _matches(patterns[0], values[0], found):
        yield from _matches_all(patterns[1:], values[1:], first)


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
