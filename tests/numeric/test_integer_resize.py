"""Quantised resizing against LiteRT: every bit, under both numerics."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.op import Layout
from fpc.ir.ops import Coordinates, Interpolation, NearestRounding
from tests.backends.tflite.graphs import random_inputs
from tests.numeric.integer_cases import PRECISIONS, Draw, assert_litert_agrees, one_op

SIZES = [(14, 9), (3, 5), (7, 20), (1, 1), (29, 4)]
NEAREST = [
    (Coordinates.ASYMMETRIC, NearestRounding.FLOOR),
    (Coordinates.HALF_PIXEL, NearestRounding.HALF_UP),
    (Coordinates.ALIGN_CORNERS, NearestRounding.HALF_UP),
    (Coordinates.ASYMMETRIC, NearestRounding.CEIL),
    (Coordinates.HALF_PIXEL, NearestRounding.HALF_DOWN),
]


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("coordinates", list(Coordinates))
@pytest.mark.parametrize("size", SIZES)
def test_bilinear(dtype, coordinates, size):
    x = Draw(size[0], dtype).type((2, 7, 5, 6))
    op = ops.Resize(size, Interpolation.BILINEAR, coordinates, layout=Layout.NHWC)
    assert_litert_agrees(one_op(op, [x], x.quantisation))


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize(("coordinates", "rounding"), NEAREST)
@pytest.mark.parametrize("size", SIZES)
def test_nearest(dtype, coordinates, rounding, size):
    x = Draw(size[0], dtype).type((2, 7, 5, 6))
    op = ops.Resize(size, Interpolation.NEAREST, coordinates, rounding, Layout.NHWC)
    assert_litert_agrees(one_op(op, [x], x.quantisation))


@pytest.mark.parametrize("interpolation", list(Interpolation))
def test_layouts_agree(interpolation):
    x = Draw(1).type((2, 6, 7, 5))
    graph = one_op(ops.Resize((9, 11), interpolation), [x], x.quantisation)
    (array,) = random_inputs(graph)
    (expected,) = run(graph, [array])
    op = ops.Resize((9, 11), interpolation, layout=Layout.NHWC)
    moved = one_op(op, [x.with_shape((2, 7, 5, 6))], x.quantisation)
    (actual,) = run(moved, [np.ascontiguousarray(array.transpose(0, 2, 3, 1))])
    np.testing.assert_array_equal(actual.transpose(0, 3, 1, 2), expected)
