"""Quantised matrix products against LiteRT: every bit, under both numerics."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.ir import ops
from fpc.ir.dtype import DType
from tests.numeric.integer_cases import FUSED, PRECISIONS, Draw, assert_litert_agrees, one_op

SEEDS = [
    pytest.param(dtype, seed, id=f"{dtype.value}-{seed}")
    for dtype, count in zip(PRECISIONS, (30, 12), strict=True)
    for seed in range(count)
]


@pytest.mark.parametrize(("dtype", "seed"), SEEDS)
def test_dense(dtype, seed):
    draw = Draw(seed, dtype)
    features, units = draw.integer(1, 300), draw.integer(1, 40)
    leading = draw.choice([(1,), (7,), (2, 3), (1, 2, 3)])
    x = draw.type((*leading, features))
    w, b, y_scale = draw.weights((units, features), x, per_axis=bool(draw.integer(0, 1)))
    op = ops.Dense(draw.choice(FUSED))
    operands = [x, w, b if draw.integer(0, 3) else None]
    assert_litert_agrees(one_op(op, operands, draw.quant(y_scale)))


@pytest.mark.parametrize("zero_point", [-128, 127])
def test_sums_beyond_float32(zero_point):
    """Largest weights on farthest activations: sums beyond 2**24 stay exact."""
    draw = Draw(4)
    x = draw.type((3, 3000), zero_point=zero_point)
    w, b, y_scale = draw.weights((5, 3000), x)
    extremes = (np.where(w[0] > 0, 127, -127).astype(np.int8), w[1])
    graph = one_op(ops.Dense(), [x, extremes, b], draw.quant(20 * y_scale))
    assert_litert_agrees(graph)
    assert_litert_agrees(graph, [np.full((3, 3000), -zero_point - 1, np.int8)])


@pytest.mark.parametrize(("dtype", "seed"), SEEDS)
def test_matmul(dtype, seed):
    draw = Draw(1000 + seed, dtype)
    rows, depth, columns = draw.integer(1, 9), draw.integer(1, 60), draw.integer(1, 9)
    batches = draw.choice([((), ()), ((3,), (3,)), ((2, 3), (2, 3)), ((1, 3), (2, 1)), ((2,), ())])
    a = draw.type((*batches[0], rows, depth), draw.factor(0.01, 0.1))
    shape = (*batches[1], depth, columns)
    b = draw.type(shape, draw.factor(0.01, 0.1))
    if draw.integer(0, 1):
        b = (draw.integers(shape), b.quantisation)
        b_scale = b[1].scale
    else:
        b_scale = b.quantisation.scale
    spread = 73 * 73 * depth**0.5 * a.quantisation.scale * b_scale
    if dtype is DType.I16:
        spread *= 256 * 256
    y = draw.quant(spread / 64 * draw.factor(0.5, 2))
    assert_litert_agrees(one_op(ops.MatMul(), [a, b], y))
