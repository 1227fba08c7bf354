"""Quantised softmax against LiteRT: every bit, under both numerics."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.types import QuantParams
from tests.numeric.integer_cases import PRECISIONS, Draw, assert_litert_agrees, one_op

SHAPES = [(1, 200), (7, 3), (2, 5, 21), (1, 6, 5, 33), (4, 1)]


def result_of(dtype):
    if dtype is DType.I16:
        return QuantParams.per_tensor(1 / 32768)
    return QuantParams.per_tensor(1 / 256, -128)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [0.0005, 0.01, 0.08, 0.3, 2.0])
def test_softmax(dtype, shape, scale):
    draw = Draw(len(shape), dtype)
    x = draw.type(shape, scale)
    graph = one_op(ops.Softmax(len(shape) - 1), [x], result_of(dtype))
    assert_litert_agrees(graph)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("scale", [0.08, 0.3])
def test_many_classes(dtype, scale):
    """Closer together, 1000 scores abort the reference kernel: their exps must sum to below 512."""
    graph = one_op(ops.Softmax(1), [Draw(1, dtype).type((3, 1000), scale)], result_of(dtype))
    assert_litert_agrees(graph)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("axis", [1, 2])
def test_other_axes(dtype, axis):
    x = Draw(axis, dtype).type((2, 9, 11, 4), 0.05)
    graph = one_op(ops.Softmax(axis), [x], result_of(dtype))
    assert_litert_agrees(graph)


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_equal_and_far_apart_scores(dtype):
    x = Draw(1, dtype).type((3, 50), 0.1)
    graph = one_op(ops.Softmax(1), [x], result_of(dtype))
    scores = np.full((3, 50), dtype.minimum, dtype.numpy)
    scores[1, 7] = dtype.maximum
    scores[2] = 5
    assert_litert_agrees(graph, [scores])
