"""Sums that end in instructions which saturate: every shape of them, to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpc.backends.tvm.assembler import Plan
from fpc.backends.tvm.isa.description import Isa, SumEnd
from fpc.backends.tvm.isa.table import ISAS, runs_here
from fpc.backends.tvm.kernels.depthwise import DepthwiseTile
from fpc.backends.tvm.kernels.filters import ConvolutionTile
from fpc.backends.tvm.planner import plan
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.op import Activation, Layout
from tests.backends.tvm.draws import extreme_inputs
from tests.backends.tvm.programs import convolution_of, execute, merged
from tests.numeric.integer_cases import Draw, one_op

every_isa = pytest.mark.parametrize(
    "isa", [isa for isa in ISAS.values() if isa.narrowings and runs_here(isa)], ids=lambda i: i.name
)
ZERO_POINTS = (-128, -3, 127)


def convolution(
    zero_point: int,
    taps: int,
    groups: int,
    gain: float = 0.3,
    activation: Activation = Activation.NONE,
) -> Graph:
    """A convolution of a 5 x 8 map to 128 channels, or of each of these."""
    draw = Draw(6)
    x = draw.type((1, 5, 8, 128))
    weights, bias, scale = draw.weights((128, taps, taps, 128 // groups), x)
    pads = (taps // 2,) * 4
    op = ops.Conv2d((1, 1), pads, (1, 1), groups, activation, Layout.NHWC)
    return one_op(op, [x, weights, bias], draw.quant(scale * gain, zero_point))


def with_residual(draw: Draw, graph: Graph, zero_point: int, gain: float = 0.4) -> Graph:
    """The graph, its result added to another input; scales far apart."""
    result = graph.outputs[0]
    scale = result.type.quantisation.scale
    other = graph.add_input("other", draw.type(result.type.shape, scale * draw.factor(1, 3), 5))
    operands = (result, other) if draw.integer(0, 1) else (other, result)
    kind = result.type.with_quant(draw.quant(scale * gain, zero_point))
    graph.set_outputs(graph.add(ops.Add(), *operands, name="sum", results=[kind]).outputs)
    return graph


def with_tile(planned: Plan, tile: object) -> Plan:
    """The same with another tile of its only kernel that has one."""
    kernels = tuple(
        replace(kernel, tile=tile) if hasattr(kernel, "tile") else kernel
        for kernel in planned.program.kernels
    )
    return replace(planned, program=replace(planned.program, kernels=kernels))


def assert_tiles_agree(isa: Isa, graphs: list[Graph], tiles: list[object]) -> None:
    """Each graph in each tile computes every bit, and reaches both ends of the range."""
    for graph in graphs:
        planned, inputs = plan(graph, isa), extreme_inputs(graph)
        tiled = [with_tile(planned, tile) for tile in tiles]
        [want] = run(graph, inputs, Numerics.TFLITE_XNNPACK)
        assert {-128, 127} <= set(np.unique(want))
        for got in execute(merged(tiled), inputs * len(tiled), isa):
            np.testing.assert_array_equal(got.reshape(want.shape), want)


def tiles_that_narrow(graph: Graph, isa: Isa, end: SumEnd) -> list[object]:
    """A tile for each of the instructions that end so, one with five of them, one with none."""
    tiles = [ConvolutionTile(*shape) for shape in ((4, 1), (2, 2), (1, 4), (2, 1), (1, 2))]
    kernel = convolution_of(graph, isa)
    fitting = [replace(kernel, tile=tile).narrowing(isa) for tile in tiles]
    assert [(each.end, each.positions, each.channels // isa.lanes) for each in fitting if each] == [
        (end, tile.positions, tile.vectors) for tile in tiles
    ]
    assert replace(kernel, tile=ConvolutionTile(5, 1)).narrowing(isa) is None
    return [*tiles, ConvolutionTile(5, 2), ConvolutionTile(5, 1)]


@every_isa
def test_every_narrowing_of_a_convolution(isa):
    for zero_point in ZERO_POINTS:
        graph = convolution(zero_point, 1, 1)
        end = "rectify" if zero_point == -128 else "clamp"
        assert_tiles_agree(isa, [graph], tiles_that_narrow(graph, isa, end))


@every_isa
def test_every_narrowing_of_a_sum_with_a_residual(isa):
    """Clamped before and after, of scales far apart, either operand the convolution's."""
    for number, zero_point in enumerate(ZERO_POINTS):
        draw, graph = Draw(number), convolution(zero_point, 1, 1, activation=Activation.RELU)
        graph = with_residual(draw, graph, zero_point)
        assert_tiles_agree(isa, [graph], tiles_that_narrow(graph, isa, "add"))


@every_isa
def test_sums_without_room_for_a_zero_point_take_none(isa):
    """The result's scale is a hundred times those of what is added."""
    graph = with_residual(Draw(1), convolution(3, 1, 1), 127, gain=100.0)
    kernel = convolution_of(graph, isa)
    assert kernel.residual is not None
    assert not kernel.saturates
    inputs = extreme_inputs(graph)
    [want], [got] = (
        run(graph, inputs, Numerics.TFLITE_XNNPACK),
        execute(plan(graph, isa), inputs, isa),
    )
    np.testing.assert_array_equal(got.reshape(want.shape), want)


@every_isa
def test_sums_that_may_reach_the_limit_of_float32_are_not_rectified(isa):
    kernels = [convolution_of(convolution(-128, taps, 1), isa) for taps in (1, 3)]
    assert [(kernel.saturates, kernel.rectifies) for kernel in kernels] == [
        (True, True),
        (True, False),
    ]


@every_isa
def test_convolutions_of_several_lines_and_depthwise_ones(isa):
    graphs = [convolution(zero_point, 3, 1) for zero_point in ZERO_POINTS]
    assert_tiles_agree(isa, graphs, [ConvolutionTile(4, 1), ConvolutionTile(2, 2)])
    graphs = [convolution(zero_point, 3, 128) for zero_point in ZERO_POINTS]
    assert_tiles_agree(isa, graphs, [DepthwiseTile(4), DepthwiseTile(8), DepthwiseTile(2)])


@every_isa
def test_a_sum_that_may_overflow_takes_none(isa):
    graphs = convolution(3, 1, 1), convolution(3, 1, 1, gain=1e-6)
    kernels = [convolution_of(graph, isa) for graph in graphs]
    tiled = [replace(kernel, tile=ConvolutionTile(4, 4)) for kernel in kernels]
    assert [kernel.narrowing(isa) is not None for kernel in tiled] == [True, False]
