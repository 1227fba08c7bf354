"""Kernels of int16, and of matrix products, against the interpreter, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.backends.tvm.kernels.wide.convolution import WideConvolution
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.planning.wide.table import INT16_PLANNERS
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import QuantParams
from tests.backends.tflite.graphs import random_inputs
from tests.backends.tflite.integer_cases import cases
from tests.backends.tvm.draws import (
    NHWC,
    convolution_of_whole_lines,
    drawn_convolution,
    drawn_dense,
    drawn_of_two,
    extreme_inputs,
)
from tests.backends.tvm.families import every_isa
from tests.backends.tvm.programs import assert_kernels_agree
from tests.numeric.integer_cases import Draw, one_op


def test_every_int16_operator():
    found = [case.graph for case in cases(DType.I16).values()]
    maps = Draw(1, DType.I16).type((2, 3, 4, 5))
    found.append(one_op(ops.ReduceMean((1, 2)), [maps], maps.quantisation))
    tabled = (
        ops.Silu(),
        ops.HardSigmoid(),
        ops.HardSwish(),
        ops.Gelu(),
        ops.Unary(ops.Function.EXP),
    )
    found += [one_op(op, [maps], QuantParams.per_tensor(0.0002)) for op in tabled]
    assert {type(node.op) for graph in found for node in graph} == set(INT16_PLANNERS)
    found += [cases(DType.I8)[name].graph for name in ("to int16", "from int16")]
    inputs = [random_inputs(graph) for graph in found]
    assert_kernels_agree(found, inputs, isa_of_this_machine())


@every_isa
def test_int16_of_odd_shapes(isa):
    """Channels that fill no vector, strides, dilations, uneven pads, clamps, broadcasting."""
    graphs = [drawn_convolution(Draw(seed, DType.I16)) for seed in range(8)]
    graphs += [drawn_dense(Draw(seed, DType.I16)) for seed in range(4)]
    graphs += [drawn_of_two(Draw(seed, DType.I16)) for seed in range(8)]
    graphs.append(convolution_of_whole_lines(Draw(7, DType.I16)))
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


@every_isa
@pytest.mark.parametrize("dtype", [DType.I8, DType.I16])
def test_products_of_batches_of_matrices(isa, dtype):
    """Leading axes that one operand lacks, or has once."""
    draw = Draw(2, dtype)
    shapes = [((3, 5), (5, 17)), ((2, 4, 3, 5), (4, 5, 2)), ((2, 1, 3, 5), (1, 4, 5, 19))]
    graphs = [
        one_op(ops.MatMul(), [draw.type(left), draw.type(right, 0.02)], draw.quant(0.04))
        for left, right in shapes
    ]
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


@every_isa
def test_int16_weights_of_odd_shapes(isa):
    """Of any size up to the type's: sums in one part, in several, and in 64 bits."""
    draws = [Draw(seed, DType.I16, DType.I16) for seed in range(12)]
    graphs = [drawn_convolution(draw) for draw in draws[:8]]
    graphs += [drawn_dense(draw) for draw in draws[8:]]
    graphs += [_drawn_with_weights_below(limit) for limit in (400, 1600, 6400)]
    sums = {(kernel.sums, kernel.parts > 1) for graph in graphs for kernel in _products(graph, isa)}
    assert {(DType.I32, False), (DType.I32, True), (DType.I64, False)} <= sums
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


@every_isa
@pytest.mark.parametrize(
    ("terms", "weight", "sums", "parts"),
    [
        (515, 127, DType.I32, 1),
        (528, 127, DType.I32, 2),
        (128, 511, DType.I32, 1),
        (128, 512, DType.I32, 2),
        (1024, 512, DType.I32, 16),
        (1024, 32767, DType.I64, 1),
        (64, 32767, DType.I32, 32),
    ],
)
def test_sums_are_in_as_few_parts_as_32_bits_hold(isa, terms, weight, sums, parts):
    """516 * 127 * 32768 is below 2**31, 128 * 512 * 32768 equal to it."""
    graphs = [_loudest_dense(terms, weight), _loudest_pointwise(terms, weight)]
    for graph in graphs:
        [kernel] = _products(graph, isa)
        assert (kernel.sums, kernel.parts) == (sums, parts)
    least = [[np.full(graph.inputs[0].type.shape, -32768, np.int16)] for graph in graphs]
    assert_kernels_agree(graphs, least, isa)


@pytest.mark.parametrize(("bounds", "parts"), [((-1.0, 1.0), 2), ((0.0, 1.0), 1)])
def test_after_a_relu_weights_of_either_sign_count_alone(bounds, parts):
    draw = Draw(0, DType.I16)
    graph = Graph("clamped")
    x = graph.add_input("x", draw.type((1, 2, 2, 256)))
    clamped = graph.add(ops.Clip(*bounds), x, quant=x.type.quant)
    values = np.resize(np.array([511, -511], np.int16), (3, 1, 1, 256))
    weights = graph.constant(values, quant=QuantParams.per_tensor(0.01))
    quant = draw.quant(0.1)
    node = graph.add(ops.Conv2d(layout=NHWC), clamped.output, weights, quant=quant)
    graph.set_outputs(node.outputs)
    [kernel] = _products(graph, PLAIN)
    assert kernel.parts == parts


def _drawn_with_weights_below(limit: int) -> Graph:
    draw = Draw(limit, DType.I16, DType.I16)
    x = draw.type((1, 5, 4, 38))
    (w, quant), b, scale = draw.weights((9, 3, 2, 38), x)
    op = ops.Conv2d(pads=(1, 0, 1, 1), layout=NHWC)
    return one_op(op, [x, (w // (32768 // limit), quant), b], draw.quant(scale))


def _products(graph: Graph, isa: Isa) -> list[WideConvolution]:
    return [k for k in plan(graph, isa).program.kernels if isinstance(k, WideConvolution)]


def _loudest_dense(terms: int, weight: int) -> Graph:
    draw = Draw(0, DType.I16)
    weights = np.full((3, terms), -weight, np.int16), QuantParams.per_tensor(0.01)
    scale = 0.01 * terms * abs(weight) * 1.5
    return one_op(ops.Dense(), [draw.type((2, terms)), weights], draw.quant(scale))


def _loudest_pointwise(terms: int, weight: int) -> Graph:
    draw = Draw(0, DType.I16)
    weights = np.full((3, 1, 1, terms), weight, np.int16), QuantParams.per_axis((0.01,) * 3, 0)
    scale = 0.01 * terms * abs(weight) * 1.5
    op = ops.Conv2d(layout=NHWC)
    return one_op(op, [draw.type((1, 2, 2, terms)), weights], draw.quant(scale))
