"""Sums that the kernel of a convolution or dense layer ends in, and sums that stay alone."""

from __future__ import annotations

import pytest

from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.planning.fused_sum import fused_sums, fusion_with
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Node, Value
from fpc.rewrite.passes import Declined
from tests.backends.tvm.draws import (
    NHWC,
    extreme_inputs,
)
from tests.backends.tvm.families import every_isa, residual_graphs
from tests.backends.tvm.programs import assert_kernels_agree
from tests.numeric.integer_cases import Draw


@every_isa
@pytest.mark.parametrize(("dtype", "alone"), [(DType.I8, "sum"), (DType.I16, "wide_sum")])
def test_residual_sums_of_odd_shapes(isa, dtype, alone):
    """Convolutions, transposed ones and dense layers as either operand, with all clamps."""
    graphs = residual_graphs(dtype)[:: 1 if dtype is DType.I8 else 2]
    assert sum(len(list(fused_sums(graph))) for graph in graphs) >= 2 * len(graphs) / 3
    for graph in graphs:
        families = [kernel.family for kernel in plan(graph, isa).program.kernels]
        assert families.count(alone) == 1 - len(list(fused_sums(graph)))
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


def test_why_sums_stay_by_themselves():
    graph = Graph("sums")
    kind = Draw(0).type((1, 4, 4, 16))
    x, y = graph.add_input("x", kind), graph.add_input("y", kind)
    row = graph.add_input("row", kind.with_shape((1, 1, 1, 16)))
    pooled, read_twice = _convolved(graph, x, "pooled", (4, 4)), _convolved(graph, x, "read_twice")
    filtered = _convolved(graph, x, "filtered", groups=16)
    pairs = [(x, y), (read_twice, y), (read_twice, read_twice), (filtered, y), (pooled, y)]
    sums = [_sum(graph, *pair) for pair in [*pairs, (_convolved(graph, x, "alone"), row)]]
    graph.set_outputs([node.output for node in sums])
    assert not list(fused_sums(graph))
    reasons = [fusion_with(node, 0) for node in sums]
    assert all(isinstance(reason, Declined) for reason in reasons)
    assert [reason.reason for reason in reasons] == [
        "%x is no result of a convolution or dense layer",
        "%read_twice is needed by itself",
        "%read_twice is needed by itself",
        "%filtered is filtered channel by channel, by kernels without a sum",
        "%pooled and %y differ in shape",
        "%alone and %row differ in shape",
    ]


def test_of_two_convolutions_the_later_one_takes_the_sum():
    graph = Graph("branches")
    x = graph.add_input("x", Draw(0).type((1, 4, 4, 16)))
    early, late = _convolved(graph, x, "early"), _convolved(graph, x, "late")
    node = _sum(graph, late, early)
    graph.set_outputs([node.output])
    [fused] = fused_sums(graph)
    assert fused.products is late.producer
    assert fused.residual is early
    graph.set_outputs([node.output, late])
    [fused] = fused_sums(graph)
    assert fused.products is early.producer


def _convolved(
    graph: Graph, x: Value, name: str, kernel: tuple[int, int] = (1, 1), groups: int = 1
) -> Value:
    """x after a convolution of as many units, quantised as x."""
    channels = x.type.shape[3]
    weights, _, _ = Draw(1).weights((channels, *kernel, channels // groups), x.type)
    filters = graph.constant(weights[0], quant=weights[1])
    op = ops.Conv2d(groups=groups, layout=NHWC)
    rows = x.type.shape[1] - kernel[0] + 1
    result = x.type.with_shape((1, rows, rows, channels))
    return graph.add(op, x, filters, name=name, results=[result]).output


def _sum(graph: Graph, a: Value, b: Value) -> Node[ops.Add]:
    name = f"sum{len(list(graph.nodes_of(ops.Add)))}"
    return graph.add(
        ops.Add(), a, b, name=name, results=[b.type if a.type.shape[1] == 1 else a.type]
    )
