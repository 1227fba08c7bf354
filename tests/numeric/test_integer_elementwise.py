"""Quantised functions of two values against LiteRT: every bit, under both numerics."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import QuantParams, TensorType
from tests.numeric.integer_cases import FUSED, PRECISIONS, Draw, assert_litert_agrees, one_op

SEEDS = [
    pytest.param(dtype, seed, id=f"{dtype.value}-{seed}")
    for dtype, count in zip(PRECISIONS, (25, 10), strict=True)
    for seed in range(count)
]
SHAPES = [
    ((2, 7, 5, 9), (2, 7, 5, 9)),
    ((1, 7, 5, 9), (9,)),
    ((2, 7, 5, 9), (2, 1, 1, 9)),
    ((2, 1, 5, 9), (2, 7, 1, 9)),
    ((3, 40), (1, 1)),
    ((33,), (33,)),
]


def operands(draw: Draw):
    """Two operands with scales of their own, the second now and then a constant."""
    first, second = draw.choice(SHAPES)
    a, b = draw.type(first, draw.factor(0.005, 0.2)), draw.type(second, draw.factor(0.005, 0.2))
    constant = (draw.integers(second), b.quantisation)
    return a, b, [a, constant if draw.integer(0, 3) == 0 else b]


@pytest.mark.parametrize("op_class", [ops.Add, ops.Sub])
@pytest.mark.parametrize(("dtype", "seed"), SEEDS)
def test_sums(op_class, dtype, seed):
    draw = Draw(seed, dtype)
    a, b, given = operands(draw)
    steps = 256 if dtype is DType.I16 else 1
    widest = max(a.quantisation.scale, b.quantisation.scale) * steps
    y = draw.quant(widest * draw.factor(0.3, 3))
    assert_litert_agrees(one_op(op_class(draw.choice(FUSED)), given, y))


@pytest.mark.parametrize(("dtype", "seed"), SEEDS)
def test_mul(dtype, seed):
    draw = Draw(1000 + seed, dtype)
    a, b, given = operands(draw)
    steps = 256 * 256 if dtype is DType.I16 else 1
    product = a.quantisation.scale * b.quantisation.scale * steps
    y = draw.quant(product * draw.factor(20, 200))
    assert_litert_agrees(one_op(ops.Mul(draw.choice(FUSED)), given, y))


@pytest.mark.parametrize("op_class", [ops.Maximum, ops.Minimum])
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("shapes", SHAPES)
def test_selections(op_class, dtype, shapes):
    draw = Draw(len(shapes[0]), dtype)
    a = draw.type(shapes[0])
    b = TensorType(dtype, shapes[1], a.quantisation)
    assert_litert_agrees(one_op(op_class(), [a, b], a.quantisation))


def test_quantised_division_rounds_to_the_nearest_step():
    """No back end emits it: the oracle is the real quotient, where it is more than one step.

    The shifts of the runtime's kernel wrap for smaller ones, and so do ours.
    """
    draw = Draw(1)
    graph = Graph()
    a = graph.add_input("a", draw.type((40, 50), 0.05, zero_point=-3))
    b = graph.add_input("b", draw.type((40, 50), 0.02, zero_point=-128))
    y = QuantParams.per_tensor(0.04, 5)
    graph.set_outputs([graph.add(ops.Div(), a, b, quant=y).output])
    arrays = [draw.integers((40, 50)), np.abs(draw.integers((40, 50)))]
    (result,) = run(graph, arrays)
    real = (arrays[0] + 3.0) * a.type.quantisation.scale
    real /= (arrays[1] + 128.0) * b.type.quantisation.scale
    steps = real / y.scale
    expected = np.clip(steps + 5, -128, 127)
    assert np.abs(result - expected)[np.abs(steps) > 1].max() <= 0.51
