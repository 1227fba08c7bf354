"""Quantised pooling and means against LiteRT: every bit, under both numerics."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.op import Layout
from fpc.ir.types import QuantParams, TensorType
from tests.backends.tflite.graphs import random_inputs
from tests.numeric.integer_cases import PRECISIONS, Draw, assert_litert_agrees, one_op, same_pads

NHWC = Layout.NHWC
SEEDS = [
    pytest.param(dtype, seed, id=f"{dtype.value}-{seed}")
    for dtype, count in zip(PRECISIONS, (20, 8), strict=True)
    for seed in range(count)
]


def pooled(draw: Draw):
    """A map, and kernel, strides and pads that fit it."""
    size = draw.integer(5, 12), draw.integer(5, 12)
    kernel, strides = draw.pair(1, 5), draw.pair(1, 3)
    x = draw.type((draw.integer(1, 2), *size, draw.integer(1, 18)))
    return x, kernel, strides, same_pads(size, kernel, strides)


@pytest.mark.parametrize(("dtype", "seed"), SEEDS)
def test_max_pool(dtype, seed):
    draw = Draw(seed, dtype)
    x, kernel, strides, same = pooled(draw)
    pads = draw.choice(
        [(0, 0, 0, 0), same, tuple(draw.integer(0, kernel[i % 2] - 1) for i in range(4))]
    )
    op = ops.MaxPool(kernel, strides, pads, layout=NHWC)
    assert_litert_agrees(one_op(op, [x], x.quantisation))


@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize(("dtype", "seed"), SEEDS)
def test_avg_pool(dtype, seed, count_include_pad):
    draw = Draw(1000 + seed, dtype)
    x, kernel, strides, same = pooled(draw)
    pads = draw.choice([(0, 0, 0, 0), same, same])
    op = ops.AvgPool(kernel, strides, pads, count_include_pad, NHWC)
    assert_litert_agrees(one_op(op, [x], x.quantisation))


@pytest.mark.parametrize("axes", [(1, 2), (3,), (2,), (1, 2, 3), (1, 3)])
@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("seed", range(4))
def test_reduce_mean(axes, keep_dims, dtype, seed):
    draw = Draw(2000 + seed, dtype)
    x = draw.type((draw.integer(1, 2), *draw.pair(1, 20), draw.integer(1, 18)), 0.05)
    y = x.quantisation if seed == 0 else draw.quant(draw.factor(0.002, 0.1))
    graph = one_op(ops.ReduceMean(axes, keep_dims), [x], y)
    assert_litert_agrees(graph)


@pytest.mark.parametrize(("dtype", "seed"), SEEDS)
def test_global_avg_pool(dtype, seed):
    draw = Draw(3000 + seed, dtype)
    x = draw.type((draw.integer(1, 2), *draw.pair(1, 20), draw.integer(1, 40)), 0.05)
    y = draw.quant(draw.factor(0.002, 0.1))
    assert_litert_agrees(one_op(ops.GlobalAvgPool(NHWC), [x], y))


@pytest.mark.parametrize(
    ("side", "x", "y"),
    [
        (4, (0.03469724, -117), (0.007992057, -92)),
        (4, (0.037971001, -24), (0.0033668859, 93)),
        (7, (0.0050509269, 123), (0.0011548075, -4)),
    ],
)
def test_means_next_to_a_half(side, x, y):
    """Every sum of a map; a few are so near a half that float32 decides."""
    pixels = side * side
    sums = np.arange(-128 * pixels, 127 * pixels)
    maps = sums // pixels + (np.arange(pixels)[:, None] < sums % pixels)
    shape = (1, side, side, sums.size)
    kind = TensorType(DType.I8, shape, QuantParams.per_tensor(*x))
    graph = one_op(ops.GlobalAvgPool(NHWC), [kind], QuantParams.per_tensor(*y))
    assert_litert_agrees(graph, [maps.astype(np.int8).reshape(shape)])


@pytest.mark.parametrize(
    "op",
    [
        ops.MaxPool((3, 2), (2, 1), (1, 0, 1, 1)),
        ops.AvgPool((3, 2), (2, 1), (1, 0, 1, 1)),
        ops.AvgPool((3, 2), (2, 1), (1, 0, 1, 1), count_include_pad=True),
        ops.GlobalAvgPool(),
    ],
)
def test_layouts_agree(op):
    draw = Draw(9, DType.I8)
    x = draw.type((2, 5, 9, 8))
    graph = one_op(op, [x], x.quantisation)
    (array,) = random_inputs(graph)
    (expected,) = run(graph, [array])
    attributes = {**op.__dict__, "layout": NHWC}
    moved = one_op(type(op)(**attributes), [x.with_shape((2, 9, 8, 5))], x.quantisation)
    (actual,) = run(moved, [np.ascontiguousarray(array.transpose(0, 2, 3, 1))])
    np.testing.assert_array_equal(actual.transpose(0, 3, 1, 2), expected)
