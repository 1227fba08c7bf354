"""Concatenations at a network's outputs that one scale would spoil.

Detectors often join boxes in pixels with scores between 0 and 1 into one output. In eight bits of
one scale the scores are gone. Such a join computes nothing: done in float, it costs next to nothing
and every part keeps its own precision.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from fpc.ir import ops
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op, Quantisation
from fpc.quant.calibration.ranges import Ranges, hull

MOST_WIDENING = 8.0
"""How many times wider than its own an output's range may become: three bits of the eight."""


def spoiling_joins(
    graph: Graph, integer_nodes: AbstractSet[Node[Op]], ranges: Ranges
) -> frozenset[Node[Op]]:
    """The concats of `integer_nodes` that only outputs read, and that widen an operand too much."""
    returned: set[Value] = set()
    for node in reversed(graph):
        returned.update(v for v in node.outputs if _is_only_returned(v, returned))
    return frozenset(
        node
        for node in graph.nodes_of(ops.Concat)
        if node in integer_nodes and node.output in returned and _widens(node.operands, ranges)
    )


def _is_only_returned(value: Value, returned: AbstractSet[Value]) -> bool:
    """Whether all that happens to `value` is that the graph returns it, perhaps moved."""
    return value.use_count > 0 and all(
        node.op.quantisation is Quantisation.SAME and returned >= set(node.outputs)
        for node in value.users
    )


def _widens(operands: tuple[Value, ...], ranges: Ranges) -> bool:
    spans = [hull(ranges.of(value), (0.0, 0.0)) for value in operands]
    low, high = hull(*spans)
    narrowest = min(top - bottom for bottom, top in spans)
    return high - low > MOST_WIDENING * narrowest > 0.0
