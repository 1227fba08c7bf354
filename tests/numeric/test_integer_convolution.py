"""Quantised convolutions against LiteRT: every bit, under both numerics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.op import Layout
from tests.backends.tflite.graphs import random_inputs
from tests.numeric.integer_cases import (
    FUSED,
    PRECISIONS,
    Draw,
    assert_litert_agrees,
    one_op,
    same_pads,
    type_of_kernels,
)

NHWC = Layout.NHWC
SEEDS = [
    pytest.param(dtype, seed, id=f"{dtype.value}-{seed}")
    for dtype, count in zip(PRECISIONS, (40, 15), strict=True)
    for seed in range(count)
]


def window(draw: Draw, size):
    """A random kernel with strides, pads and dilations that fit a map of `size`."""
    kernel = draw.pair(1, 4) if draw.integer(0, 3) else (1, 1)
    dilations = draw.pair(1, 2)
    strides = (1, 1) if max(dilations) > 1 else draw.pair(1, 3)
    pads = draw.choice(
        [
            (0, 0, 0, 0),
            same_pads(size, kernel, strides, dilations),
            (*draw.pair(0, 2), *draw.pair(0, 2)),
        ]
    )
    return kernel, {"strides": strides, "pads": pads, "dilations": dilations}


def convolution(draw: Draw, channels: int, out: int, groups: int):
    size = draw.integer(7, 12), draw.integer(7, 12)
    kernel, attributes = window(draw, size)
    x = draw.type((draw.integer(1, 2), *size, channels))
    per_axis = bool(draw.integer(0, 4))
    w, b, y_scale = draw.weights((out, *kernel, channels // groups), x, per_axis=per_axis)
    op = ops.Conv2d(**attributes, groups=groups, activation=draw.choice(FUSED), layout=NHWC)
    operands = [x, w, b if draw.integer(0, 4) else None]
    return one_op(op, operands, draw.quant(y_scale))


@pytest.mark.parametrize(("dtype", "seed"), SEEDS)
def test_conv2d(dtype, seed):
    draw = Draw(seed, dtype)
    groups = draw.choice([1, 1, 1, 2, 3])
    if groups == 1:
        graph = convolution(draw, draw.integer(1, 40), draw.integer(1, 20), 1)
    else:
        graph = convolution(draw, groups * draw.integer(2, 5), groups * draw.integer(1, 6), groups)
    assert_litert_agrees(graph)


@pytest.mark.parametrize(("dtype", "seed"), SEEDS)
def test_depthwise(dtype, seed):
    draw = Draw(1000 + seed, dtype)
    channels, multiplier = draw.integer(2, 20), draw.choice([1, 1, 1, 2, 3])
    assert_litert_agrees(convolution(draw, channels, channels * multiplier, channels))


@pytest.mark.parametrize("kernel", [5, 7])
def test_depthwise_with_many_taps(kernel):
    """Beyond 25 taps XNNPACK has no depthwise kernel and takes grouped convolution."""
    draw = Draw(kernel)
    x = draw.type((1, 12, 13, 17))
    w, b, y_scale = draw.weights((17, kernel, kernel, 1), x)
    pads = (kernel // 2,) * 4
    op = ops.Conv2d(pads=pads, groups=17, layout=NHWC)
    assert_litert_agrees(one_op(op, [x, w, b], draw.quant(y_scale)))


@pytest.mark.parametrize("zero_point", [-128, 127])
def test_sums_beyond_float32(zero_point):
    """Largest weights on farthest activations: sums beyond 2**24 stay exact."""
    draw = Draw(5)
    x = draw.type((1, 5, 5, 400), zero_point=zero_point)
    w, b, y_scale = draw.weights((4, 3, 3, 400), x)
    extremes = (np.where(w[0] > 0, 127, -127).astype(np.int8), w[1])
    op = ops.Conv2d(layout=NHWC)
    graph = one_op(op, [x, extremes, b], draw.quant(40 * y_scale))
    assert_litert_agrees(graph)
    farthest = np.full((1, 5, 5, 400), -zero_point - 1, np.int8)
    assert_litert_agrees(graph, [farthest])


@pytest.mark.parametrize(("dtype", "seed"), SEEDS[:20] + SEEDS[40:50])
def test_conv_transpose2d(dtype, seed):
    draw = Draw(2000 + seed, dtype)
    x = draw.type((draw.integer(1, 2), *draw.pair(2, 6), draw.integer(1, 12)))
    kernel, strides = draw.pair(1, 4), draw.pair(1, 3)
    strides = tuple(min(s, k) for s, k in zip(strides, kernel, strict=True))
    out = draw.integer(1, 8)
    w, b, y_scale = draw.weights((out, *kernel, x.shape[3]), x, per_axis=bool(draw.integer(0, 3)))
    pads = draw.choice([(0, 0, 0, 0), tuple(draw.integer(0, kernel[i % 2] // 2) for i in range(4))])
    op = ops.ConvTranspose2d(strides, pads, activation=draw.choice(FUSED), layout=NHWC)
    assert_litert_agrees(one_op(op, [x, w, b], draw.quant(y_scale)))


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("numerics", list(type_of_kernels.values()))
def test_layouts_agree(groups, numerics):
    """The same convolution in NCHW, whose kernels differ, gives the same bits."""
    draw = Draw(groups)
    x = draw.type((2, 9, 8, 6))
    w, b, y_scale = draw.weights((12, 3, 3, 6 // groups), x)
    op = ops.Conv2d((2, 1), (1, 0, 1, 1), groups=groups, layout=NHWC)
    y = draw.quant(y_scale)
    graph = one_op(op, [x, w, b], y)
    (array,) = random_inputs(graph)
    (expected,) = run(graph, [array], numerics)
    channels_first = x.with_shape((2, 6, 9, 8))
    filters = (np.ascontiguousarray(w[0].transpose(0, 3, 1, 2)), w[1])
    moved = one_op(replace(op, layout=Layout.NCHW), [channels_first, filters, b], y)
    (actual,) = run(moved, [np.ascontiguousarray(array.transpose(0, 3, 1, 2))], numerics)
    np.testing.assert_array_equal(actual.transpose(0, 2, 3, 1), expected)


def test_transposed_layouts_agree():
    draw = Draw(3, DType.I8)
    x = draw.type((2, 4, 5, 6))
    w, b, y_scale = draw.weights((8, 3, 3, 3), x)
    op = ops.ConvTranspose2d((2, 2), (1, 0, 1, 1), (1, 0), groups=2, layout=NHWC)
    y = draw.quant(y_scale)
    graph = one_op(op, [x, w, b], y)
    (array,) = random_inputs(graph)
    (expected,) = run(graph, [array])
    filters = (np.ascontiguousarray(w[0].transpose(0, 3, 1, 2)), w[1])
    moved = one_op(replace(op, layout=Layout.NCHW), [x.with_shape((2, 6, 4, 5)), filters, b], y)
    (actual,) = run(moved, [np.ascontiguousarray(array.transpose(0, 3, 1, 2))])
    np.testing.assert_array_equal(actual.transpose(0, 2, 3, 1), expected)
