"""Clamps as saturation: what of a value its readers can see.

A relu after a convolution costs nothing in integers: when the smallest integer of the result stands
for zero, saturation is the clamp. This holds through ops that move or select values too, because
they commute with clamps, and for several readers as long as all of them clamp.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from math import inf
from typing import TypeAlias

from fpc.ir import ops
from fpc.ir.graph import Graph, Node, Use, Value
from fpc.ir.op import Activation, Op, fused_activation
from fpc.ir.signs import commutes_with_clamps
from fpc.ir.types import QuantParams
from fpc.quant.analysis.readers import reading_of
from fpc.quant.scheme import Scheme

Bounds: TypeAlias = tuple[float, float]
"""An interval of reals, possibly unbounded."""

EVERYTHING: Bounds = (-inf, inf)


def clamp_bounds(op: Op) -> Bounds | None:
    """The interval that `op` clips its operand to, None when it is no clamp."""
    match op:
        case ops.Relu():
            return 0.0, inf
        case ops.Relu6():
            return 0.0, 6.0
        case ops.Clip(minimum=low, maximum=high):
            return _interval(low, high)
        case _:
            return None


def activation_bounds(activation: Activation) -> Bounds:
    """The interval that a fused activation clips to."""
    return _interval(*activation.bounds)


def clamped_to(value: Value) -> Bounds:
    """The interval that what computes `value` clips it to, be it a clamp or has one fused."""
    node = value.producer
    if node is None:
        return EVERYTHING
    fused = activation_bounds(fused_activation(node.op))
    return intersection(clamp_bounds(node.op) or EVERYTHING, fused)


def visible_bounds(
    graph: Graph, integer_nodes: AbstractSet[Node[Op]], scheme: Scheme | None = None
) -> dict[Value, Bounds]:
    """For every value, the interval outside which no reader tells values apart.

    Only readers in `integer_nodes` count as clamps: a float one reads what was dequantised. With a
    scheme, activations that are deaf to large values count too, as far as half a step goes.
    """
    visible: dict[Value, Bounds] = {}
    made = (value for node in reversed(graph) for value in reversed(node.outputs))
    for value in (*made, *graph.inputs):
        reading = None if scheme is None else reading_of(value)
        if scheme is not None and reading is not None and integer_nodes >= set(reading.nodes):
            visible[value] = reading.audible_bounds(scheme)
        else:
            visible[value] = _seen(value, visible, integer_nodes)
    return visible


def saturating_clamps(graph: Graph, integer_nodes: AbstractSet[Node[Op]]) -> frozenset[Node[Op]]:
    """The clamps of `integer_nodes` that the saturation of their operands can stand for."""
    visible = visible_bounds(graph, integer_nodes)
    found: set[Node[Op]] = set()
    for node in integer_nodes:
        bounds = clamp_bounds(node.op)
        if bounds is not None:
            seen = visible[node.input(0)]
            if intersection(seen, bounds) == seen:
                found.add(node)
    return frozenset(found)


def is_saturation(node: Node[Op], activations: Mapping[Value, QuantParams], scheme: Scheme) -> bool:
    """Whether `node` is a clamp that its operand's integers cannot but satisfy."""
    bounds = clamp_bounds(node.op)
    params = activations[node.outputs[0]]
    if bounds is None or activations[node.input(0)] != params:
        return False
    return contains(bounds, scheme.representable(params), slack=params.scale / 2)


def _interval(low: float | None, high: float | None) -> Bounds:
    return (-inf if low is None else low), (inf if high is None else high)


def _seen(
    value: Value, visible: dict[Value, Bounds], integer_nodes: AbstractSet[Node[Op]]
) -> Bounds:
    parts = [_seen_by(use, visible, integer_nodes) for use in value.uses]
    if not parts:
        return EVERYTHING
    return min(low for low, _ in parts), max(high for _, high in parts)


def _seen_by(
    use: Use, visible: dict[Value, Bounds], integer_nodes: AbstractSet[Node[Op]]
) -> Bounds:
    node = use.user
    if not isinstance(node, Node) or node not in integer_nodes:
        return EVERYTHING
    bounds = clamp_bounds(node.op)
    if bounds is not None:
        return intersection(bounds, visible[node.output])
    if not commutes_with_clamps(node.op):
        return EVERYTHING
    parts = [visible[output] for output in node.outputs]
    return min(low for low, _ in parts), max(high for _, high in parts)


def intersection(first: Bounds, second: Bounds) -> Bounds:
    """What two intervals share; `first` when they share nothing."""
    low, high = max(first[0], second[0]), min(first[1], second[1])
    return (low, high) if low <= high else first


def contains(outer: Bounds, inner: Bounds, slack: float = 0.0) -> bool:
    """Whether `inner` lies within `outer` widened by `slack`."""
    return outer[0] - slack <= inner[0] and inner[1] <= outer[1] + slack
