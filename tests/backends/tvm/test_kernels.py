"""Every kernel family against the interpreter, bit by bit: operators, odd shapes, extremes, tiles.

Many cases share one compilation, which is what takes the time.
"""

from __future__ import annotations

import numpy as np
import pytest

from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.planning.table import PLANNERS
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Value
from fpc.ir.op import Layout
from fpc.ir.types import QuantParams
from tests.backends.tflite.graphs import random_inputs
from tests.backends.tflite.integer_cases import cases
from tests.backends.tvm.draws import (
    TILED,
    convolution_of_whole_lines,
    drawn_convolution,
    drawn_dense,
    drawn_of_two,
    extreme_inputs,
    float_islands,
    long_maps,
)
from tests.backends.tvm.families import every_isa
from tests.backends.tvm.programs import (
    assert_kernels_agree,
    execute,
    is_planned,
    merged,
    tilings,
)
from tests.numeric.integer_cases import Draw, one_op

NHWC = Layout.NHWC


@every_isa
def test_every_operator_with_a_kernel(isa):
    found = [case.graph for case in cases(DType.I8).values() if is_planned(case.graph, isa)]
    maps = Draw(1).type((2, 3, 4, 5))
    found.append(one_op(ops.ReduceMean((1, 2)), [maps], maps.quantisation))
    others = ops.Silu(), ops.HardSigmoid(), ops.Unary(ops.Function.EXP)
    found += [one_op(op, [maps], QuantParams.per_tensor(0.05, -100)) for op in others]
    for scores in (Draw(2).type((2, 5, 3), 0.1), Draw(3).type((1, 1000), 0.02)):
        found.append(one_op(ops.Softmax(1), [scores], QuantParams.per_tensor(1 / 256, -128)))
    assert {type(node.op) for graph in found for node in graph} == set(PLANNERS)
    assert_kernels_agree(found, [random_inputs(graph) for graph in found], isa)


@every_isa
def test_convolutions_of_odd_shapes(isa):
    """Channels that fill no vector, strides, dilations, uneven pads, all clamps, batches."""
    graphs = [drawn_convolution(Draw(seed)) for seed in range(8)]
    graphs.append(convolution_of_whole_lines(Draw(7)))
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


@every_isa
def test_maps_that_are_made_band_by_band(isa):
    graphs = long_maps(Draw(3))
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


@every_isa
def test_dense_layers_of_odd_shapes(isa):
    graphs = [drawn_dense(Draw(seed)) for seed in range(6)]
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


@every_isa
def test_sums_and_products_of_scales_far_apart(isa):
    graphs = [drawn_of_two(Draw(seed)) for seed in range(12)]
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


@every_isa
def test_reals_between_bytes(isa):
    """Functions of bytes are tables, so that no machine's exponential shows."""
    graphs = float_islands()
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


def test_bytes_that_only_functions_read_are_not_dequantised():
    plans = [plan(graph, PLAIN) for graph in float_islands()]
    families = [{kernel.family for kernel in each.program.kernels} for each in plans]
    assert ["dequantize" in each for each in families] == [False, True, True, True]
    assert ["lookup" in each for each in families] == [True, True, False, True]


@every_isa
@pytest.mark.parametrize("kind", sorted(TILED))
def test_every_tile_computes_the_same(isa, kind):
    graph = TILED[kind](Draw(3))
    tiled = tilings(plan(graph, isa), isa)
    assert len(tiled) >= 4
    inputs = extreme_inputs(graph)
    [want] = run(graph, inputs, Numerics.TFLITE_XNNPACK)
    for planned, got in zip(tiled, execute(merged(tiled), inputs * len(tiled), isa), strict=True):
        np.testing.assert_array_equal(got.reshape(want.shape), want, str(planned.program.kernels))


@every_isa
@pytest.mark.parametrize("sizes", [(40, 120), (5, 11)])
def test_parts_of_channels_are_read_where_they_lie(isa, sizes):
    """A split whose parts go to a convolution, a depthwise one, a sum, a join, and out."""
    draw, (first, second) = Draw(4), sizes
    kind = draw.type((1, 5, 6, first + second))
    graph = Graph("parts")
    x = graph.add_input("x", kind)
    parts = graph.add(
        ops.Split(3, sizes), x, results=[kind.with_shape((1, 5, 6, size)) for size in sizes]
    ).outputs
    convolved = _filtered(draw, graph, parts[0], 1)
    filtered = _filtered(draw, graph, parts[1], second)
    alike = [part.type.with_quant(kind.quant) for part in (convolved, filtered)]
    total = graph.add(ops.Add(), parts[1], filtered, results=[alike[1]]).output
    joined = graph.add(ops.Concat(3), convolved, parts[1], results=[kind]).output
    graph.set_outputs([joined, total, parts[1]])
    assert_kernels_agree([graph], [extreme_inputs(graph)], isa)
    taken = [kernel for kernel in plan(graph, isa).program.kernels if kernel.family == "take"]
    assert not taken


def _filtered(draw: Draw, graph: Graph, x: Value, groups: int) -> Value:
    """x after a 3 x 3 convolution, quantised as x."""
    channels = x.type.shape[3]
    (w, w_quant), (b, b_quant), _ = draw.weights((channels, 3, 3, channels // groups), x.type)
    op = ops.Conv2d(pads=(1, 1, 1, 1), groups=groups, layout=NHWC)
    filters, bias = graph.constant(w, quant=w_quant), graph.constant(b, quant=b_quant)
    return graph.add(op, x, filters, bias, results=[x.type]).output
