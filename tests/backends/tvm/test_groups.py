"""Convolutions in groups against the interpreter, bit by bit, and what groups save."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.isa.neon_dot import NEON_DOT
from fpc.backends.tvm.isa.neon_mlal import NEON_MLAL
from fpc.backends.tvm.isa.x86_avx512_vnni import X86_AVX512_VNNI
from fpc.backends.tvm.kernels.wide.convolution import WideConvolution
from fpc.backends.tvm.planner import plan
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import TensorType
from tests.backends.tflite.graphs import random_inputs, weights
from tests.backends.tvm.draws import NHWC, extreme_inputs
from tests.backends.tvm.families import every_isa, grouped, grouped_graphs
from tests.backends.tvm.programs import assert_kernels_agree, convolution_of, execute, merged
from tests.numeric.integer_cases import Draw


@every_isa
def test_groups_of_odd_shapes(isa):
    """Groups that end inside of vectors and of dot products, several filters a channel."""
    graphs = grouped_graphs()
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


_WIDE = [(3, 20, 80, 1), (8, 30, 30, 1), (5, 9, 13, 3), (12, 16, 16, 3), (24, 1, 16, 3)]


@every_isa
def test_groups_of_int16(isa):
    """With int16 weights sums are in several parts, or in 64 bits."""
    draws = [Draw(seed, DType.I16, dtype) for seed, dtype in enumerate((DType.I8, DType.I16))]
    graphs = [grouped(draw, *shape) for draw in draws for shape in _WIDE]
    assert all(_takes_groups(graph, isa) for graph in graphs)
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


@every_isa
def test_groups_of_float32(isa):
    """Sums are taken in another order than the interpreter's."""
    graphs = [_grouped_floats(*shape) for shape in _WIDE]
    assert all(_takes_groups(graph, isa) for graph in graphs)
    inputs = [random_inputs(graph) for graph in graphs]
    whole = merged([plan(graph, isa) for graph in graphs])
    outputs = execute(whole, [array for [array] in inputs], isa)
    for graph, feeds, got in zip(graphs, inputs, outputs, strict=True):
        [want] = run(graph, feeds, Numerics.TFLITE_XNNPACK)
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=0, atol=1e-4)


def _takes_groups(graph: Graph, isa: Isa) -> bool:
    kernels = plan(graph, isa).program.kernels
    return any(isinstance(one, WideConvolution) and one.group_count > 1 for one in kernels)


def _grouped_floats(groups: int, depth: int, width: int, kernel: int) -> Graph:
    graph = Graph("floats")
    x = graph.add_input("x", TensorType(DType.F32, (1, 5, 6, groups * depth)))
    rng = np.random.default_rng(depth)
    filters = graph.constant(weights(rng, groups * width, kernel, kernel, depth))
    op = ops.Conv2d(pads=(kernel // 2,) * 4, groups=groups, layout=NHWC)
    graph.set_outputs(graph.add(op, x, filters).outputs)
    return graph


@pytest.mark.parametrize(
    ("isa", "shape", "terms"),
    [
        (X86_AVX512_VNNI, (2, 32, 32, 1), 32),
        (X86_AVX512_VNNI, (3, 20, 80, 1), 20),
        (X86_AVX512_VNNI, (3, 80, 20, 1), 160),
        (X86_AVX512_VNNI, (32, 4, 4, 3), 9 * 16),
        (X86_AVX512_VNNI, (40, 1, 2, 3), 9 * 8),
        (X86_AVX512_VNNI, (8, 2, 2, 1), 16),
        (NEON_DOT, (32, 4, 4, 3), 9 * 8),
        (NEON_MLAL, (32, 4, 4, 3), 9 * 16),
        (NEON_MLAL, (8, 30, 30, 1), 64),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_only_channels_of_a_vectors_groups_are_multiplied(isa, shape, terms):
    kernel = convolution_of(grouped(Draw(0), *shape), isa)
    assert kernel.depth(isa) == terms


def test_groups_that_save_nothing_are_one():
    """Eight groups of two: a vector of 16 units has units of all."""
    kernel = convolution_of(grouped(Draw(0), 8, 2, 2, 1), X86_AVX512_VNNI)
    assert kernel.group_count == 1
