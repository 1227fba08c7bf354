"""Convolutions in groups against the interpreter, bit by bit, and what groups save."""

from __future__ import annotations

import pytest

from fpc.backends.tvm.isa.neon_dot import NEON_DOT
from fpc.backends.tvm.isa.neon_mlal import NEON_MLAL
from fpc.backends.tvm.isa.x86_avx512_vnni import X86_AVX512_VNNI
from fpc.backends.tvm.kernels.convolution import Convolution
from fpc.backends.tvm.planner import plan
from fpc.ir.graph import Graph
from tests.backends.tvm_draws import extreme_inputs
from tests.backends.tvm_families import every_isa, grouped, grouped_graphs
from tests.backends.tvm_programs import assert_kernels_agree
from tests.numeric.integer_cases import Draw


@every_isa
def test_groups_of_odd_shapes(isa):
    """Groups that end inside of vectors and of dot products, several filters a channel."""
    graphs = grouped_graphs()
    assert_kernels_agree(graphs, [extreme_inputs(graph) for graph in graphs], isa)


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
