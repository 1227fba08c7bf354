"""Sums that end in instructions which saturate: every shape of them, to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpc.backends.tvm.assembler import Plan
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.isa.table import ISAS, runs_here
from fpc.backends.tvm.kernels.convolution import Convolution, ConvolutionTile
from fpc.backends.tvm.kernels.depthwise import DepthwiseTile
from fpc.backends.tvm.planner import plan
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.op import Activation, Layout
from tests.backends.tvm_draws import extreme_inputs
from tests.backends.tvm_programs import execute, merged
from tests.numeric.integer_cases import Draw, one_op

every_isa = pytest.mark.parametrize(
    "isa", [isa for isa in ISAS.values() if isa.narrowings and runs_here(isa)], ids=lambda i: i.name
)
ZERO_POINTS = (-128, -3, 127)


def convolution(zero_point: int, taps: int, groups: int, gain: float = 0.3) -> Graph:
    """A convolution of a 5 x 8 map to 128 channels, or of each of these."""
    draw = Draw(6)
    x = draw.type((1, 5, 8, 128))
    weights, bias, scale = draw.weights((128, taps, taps, 128 // groups), x)
    pads = (taps // 2,) * 4
    op = ops.Conv2d((1, 1), pads, (1, 1), groups, Activation.NONE, Layout.NHWC)
    return one_op(op, [x, weights, bias], draw.quant(scale * gain, zero_point))


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


@every_isa
def test_every_narrowing_of_a_convolution(isa):
    tiles = [ConvolutionTile(4, 1), ConvolutionTile(2, 2), ConvolutionTile(1, 4)]
    graphs = [convolution(zero_point, 1, 1) for zero_point in ZERO_POINTS]
    [kernel] = [k for k in plan(graphs[0], isa).program.kernels if isinstance(k, Convolution)]
    fitting = [with_tile.narrowing(isa) for with_tile in (replace(kernel, tile=t) for t in tiles)]
    assert [(each.positions, each.channels) for each in fitting if each] == [
        (4, isa.lanes),
        (2, 2 * isa.lanes),
        (1, 4 * isa.lanes),
    ]
    assert_tiles_agree(isa, graphs, [*tiles, ConvolutionTile(8, 2), ConvolutionTile(5, 1)])


@every_isa
def test_convolutions_of_several_lines_and_depthwise_ones(isa):
    graphs = [convolution(zero_point, 3, 1) for zero_point in ZERO_POINTS]
    assert_tiles_agree(isa, graphs, [ConvolutionTile(4, 1), ConvolutionTile(2, 2)])
    graphs = [convolution(zero_point, 3, 128) for zero_point in ZERO_POINTS]
    assert_tiles_agree(isa, graphs, [DepthwiseTile(4), DepthwiseTile(8), DepthwiseTile(2)])


@every_isa
def test_a_sum_that_may_overflow_takes_none(isa):
    kernels = [
        kernel
        for graph in (convolution(3, 1, 1), convolution(3, 1, 1, gain=1e-6))
        for kernel in plan(graph, isa).program.kernels
        if isinstance(kernel, Convolution)
    ]
    tiled = [replace(kernel, tile=ConvolutionTile(4, 4)) for kernel in kernels]
    assert [kernel.narrowing(isa) is not None for kernel in tiled] == [True, False]
