"""Convolutions in groups against the interpreter, bit by bit, and what groups save."""

from __future__ import annotations

import pytest

from fpc.backends.tvm.isa.neon_dot import NEON_DOT
from fpc.backends.tvm.isa.neon_mlal import NEON_MLAL
from fpc.backends.tvm.isa.plain import PLAIN
from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.backends.tvm.isa.x86_avx512_vnni import X86_AVX512_VNNI
from fpc.backends.tvm.kernels.convolution import Convolution
from fpc.backends.tvm.planner import plan
from fpc.ir import ops
from fpc.ir.graph import Graph
from tests.backends.tvm_draws import NHWC, extreme_inputs, with_residual
from tests.backends.tvm_programs import assert_kernels_agree
from tests.numeric.integer_cases import Draw, one_op

ISAS = list({isa.name: isa for isa in (PLAIN, isa_of_this_machine())}.values())
every_isa = pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)

SHAPES = [
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


@every_isa
def test_groups_of_odd_shapes(isa):
    """Groups that end inside of vectors and of dot products, several filters a channel."""
    graphs = grouped_graphs()
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


def grouped_graphs() -> list[Graph]:
    """Grouped convolutions, some with a residual sum, and one transposed."""
    graphs = [grouped(Draw(seed), *shape) for seed, shape in enumerate(SHAPES)]
    graphs += [with_residual(Draw(9), grouped(Draw(9), *shape)) for shape in SHAPES[6:9]]
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
    [kernel] = _convolutions(grouped(Draw(0), *shape), isa)
    assert kernel.depth(isa) == terms


def test_groups_that_save_nothing_are_one():
    """Eight groups of two: a vector of 16 units has units of all."""
    [kernel] = _convolutions(grouped(Draw(0), 8, 2, 2, 1), X86_AVX512_VNNI)
    assert kernel.group_count == 1


def _convolutions(graph: Graph, isa) -> list[Convolution]:
    return [
        kernel for kernel in plan(graph, isa).program.kernels if isinstance(kernel, Convolution)
    ]
