"""Kernels of int16, and of matrix products, against the interpreter, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.backends.tvm.kernels.wide.convolution import WideConvolution
from fpc.backends.tvm.planner import plan
from fpc.backends.tvm.planning.wide.table import INT16_PLANNERS
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import QuantParams
from tests.backends.tflite_graphs import random_inputs
from tests.backends.tflite_integer_cases import cases
from tests.backends.tvm_draws import (
    NHWC,
    drawn_convolution,
    drawn_dense,
    drawn_of_two,
    extreme_inputs,
)
from tests.backends.tvm_programs import assert_kernels_agree
from tests.numeric.integer_cases import Draw, one_op

ISAS = list({isa.name: isa for isa in (PLAIN, isa_of_this_machine())}.values())
every_isa = pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)


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
@pytest.mark.parametrize(("terms", "sums"), [(515, DType.I32), (517, DType.I64)])
def test_sums_that_overflow_int32_are_wider(isa, terms, sums):
    """516 * 127 * 32768 is the last multiple of the greatest product below 2**31."""
    graphs = [_loudest_dense(terms), _loudest_pointwise(terms)]
    for graph in graphs:
        [kernel] = [k for k in plan(graph, isa).program.kernels if isinstance(k, WideConvolution)]
        assert kernel.sums is sums
    least = [[np.full(graph.inputs[0].type.shape, -32768, np.int16)] for graph in graphs]
    assert_kernels_agree(graphs, least, isa)


def _loudest_dense(terms: int) -> Graph:
    draw = Draw(0, DType.I16)
    weights = np.full((3, terms), -127, np.int8), QuantParams.per_tensor(0.01)
    scale = 0.01 * terms * 127 * 1.5
    return one_op(ops.Dense(), [draw.type((2, terms)), weights], draw.quant(scale))


def _loudest_pointwise(terms: int) -> Graph:
    draw = Draw(0, DType.I16)
    weights = np.full((3, 1, 1, terms), 127, np.int8), QuantParams.per_axis((0.01,) * 3, 0)
    scale = 0.01 * terms * 127 * 1.5
    op = ops.Conv2d(layout=NHWC)
    return one_op(op, [draw.type((1, 2, 2, terms)), weights], draw.quant(scale))
