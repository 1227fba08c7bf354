"""Every family of kernels against the interpreter, all of an instruction set's in one program."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.backends.tvm.planner import plan
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from tests.backends.tflite.graphs import random_inputs
from tests.backends.tflite.integer_cases import cases
from tests.backends.tvm.draws import (
    NHWC,
    TILED,
    convolution_of_whole_lines,
    drawn_convolution,
    drawn_dense,
    drawn_of_two,
    extreme_inputs,
    float_islands,
    with_residual,
)
from tests.backends.tvm.programs import execute, is_planned, merged, tilings
from tests.numeric.integer_cases import Draw, one_op

ISAS = tuple({isa.name: isa for isa in (PLAIN, isa_of_this_machine())}.values())
every_isa = pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)
"""The instruction set that no processor lacks, and the fastest of this one."""

GROUPS = [
    # groups, channels and units of a group, kernel
    (2, 32, 32, 1),
    (3, 20, 80, 1),
    (3, 80, 20, 1),
    (4, 68, 17, 1),
    (8, 30, 30, 1),
    (2, 24, 48, 3),
    (3, 7, 5, 3),
    (5, 9, 13, 3),
    (8, 4, 4, 3),
    (32, 4, 4, 3),
    (12, 16, 16, 3),
    (40, 1, 2, 3),
    (37, 1, 3, 1),
    (24, 1, 16, 3),
    (21, 2, 1, 3),
]


def assert_every_family_agrees(isa: Isa) -> None:
    """Operators, odd shapes, tails, extremes and whole tile spaces compute the same bits."""
    graphs = [case.graph for case in cases(DType.I8).values() if is_planned(case.graph, isa)]
    runs = [(graph, random_inputs(graph), plan(graph, isa)) for graph in graphs]
    for make, count in ((drawn_convolution, 8), (drawn_dense, 6), (drawn_of_two, 6)):
        drawn = [make(Draw(seed)) for seed in range(count)]
        runs += [(graph, extreme_inputs(graph), plan(graph, isa)) for graph in drawn]
    lines = convolution_of_whole_lines(Draw(7))
    for graph in (lines, *residual_graphs(), *grouped_graphs(), *float_islands()):
        runs.append((graph, extreme_inputs(graph), plan(graph, isa)))
    for dtype in (DType.I8, DType.I16):
        makes = (drawn_convolution, drawn_convolution, drawn_dense)
        drawn = [make(Draw(seed, DType.I16, dtype)) for seed, make in enumerate(makes, 2)]
        drawn.append(grouped(Draw(1, DType.I16, dtype), 5, 9, 13, 3))
        runs += [(graph, extreme_inputs(graph), plan(graph, isa)) for graph in drawn]
    for graph in (make(Draw(3)) for make in TILED.values()):
        inputs = extreme_inputs(graph)
        runs += [(graph, inputs, tiled) for tiled in tilings(plan(graph, isa), isa)]
    feeds = [array for _, inputs, _ in runs for array in inputs]
    outputs = iter(execute(merged([planned for _, _, planned in runs]), feeds, isa))
    for graph, inputs, planned in runs:
        for want in run(graph, inputs, Numerics.TFLITE_XNNPACK):
            got = next(outputs).reshape(want.shape)
            kernels = planned.program.kernels
            np.testing.assert_array_equal(got, want, f"{kernels} of\n{graph.to_text()}")


def residual_graphs(dtype: DType = DType.I8) -> list[Graph]:
    """Residual sums after all that kernels of products compute, weights of the same type."""
    made = [drawn_convolution(Draw(seed, dtype, dtype)) for seed in range(12)]
    made += [drawn_dense(Draw(seed, dtype, dtype)) for seed in range(4)]
    made += [case.graph for case in cases(dtype).values() if _transposes(case.graph)]
    return [with_residual(Draw(seed, dtype), graph) for seed, graph in enumerate(made)]


def _transposes(graph: Graph) -> bool:
    return any(isinstance(node.op, ops.ConvTranspose2d) for node in graph)


def grouped_graphs() -> list[Graph]:
    """Grouped convolutions, some with a residual sum, and one transposed."""
    graphs = [grouped(Draw(seed), *shape) for seed, shape in enumerate(GROUPS)]
    graphs += [with_residual(Draw(9), grouped(Draw(9), *shape)) for shape in GROUPS[6:9]]
    draw = Draw(5)
    x = draw.type((1, 3, 4, 48))
    w, b, scale = draw.weights((36, 2, 2, 16), x)
    op = ops.ConvTranspose2d((2, 2), groups=3, layout=NHWC)
    return [*graphs, one_op(op, [x, w, b], draw.quant(scale))]


def grouped(draw: Draw, groups: int, depth: int, width: int, kernel: int) -> Graph:
    """A convolution of groups with so many channels and units each."""
    pad, stride = kernel // 2, draw.integer(1, 2) if kernel > 1 else 1
    x = draw.type((1, 5, 6, groups * depth))
    w, b, scale = draw.weights((groups * width, kernel, kernel, depth), x)
    op = ops.Conv2d((stride, stride), (pad,) * 4, groups=groups, layout=NHWC)
    return one_op(op, [x, w, b], draw.quant(scale))
