"""Quantise, dequantise and requantise against LiteRT: every bit, under both numerics."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import QuantParams, TensorType, f32
from tests.numeric.integer_cases import (
    Draw,
    assert_litert_agrees,
    every_integer,
    type_of_kernels,
)

INTEGERS = (DType.I8, DType.U8, DType.I16)
CHANGES = [
    (source, target)
    for source in INTEGERS
    for target in INTEGERS
    if {source, target} != {DType.U8, DType.I16}
]
SEEDS = range(12)


def graph_of(op, source: TensorType, result: TensorType) -> Graph:
    graph = Graph("test")
    x = graph.add_input("x", source)
    graph.set_outputs([graph.add(op, x, results=[result]).output])
    return graph


def quantised(draw: Draw, dtype: DType, shape, scale: float) -> TensorType:
    steps = 256 if dtype is DType.I16 else 1
    return TensorType(dtype, shape, QuantParams.per_tensor(scale / steps, draw.zero_point(dtype)))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_quantize(dtype, seed):
    draw = Draw(seed)
    result = quantised(draw, dtype, (3, 2000), draw.factor(0.001, 1))
    scale = result.quantisation.scale
    reals = draw.rng.standard_normal((3, 2000)) * scale * 60
    reals[0] = (np.arange(2000) / 2 - 500) * scale
    reals[1, :4] = [1e9 * scale, -1e9 * scale, 0.0, -0.0]
    graph = graph_of(ops.Quantize(dtype), f32(3, 2000), result)
    assert_litert_agrees(graph, [reals.astype(np.float32)])


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_dequantize(dtype, seed):
    draw = Draw(seed)
    source = quantised(draw, dtype, (4, 512), draw.factor(0.001, 1))
    graph = graph_of(ops.Dequantize(), source, f32(4, 512))
    assert_litert_agrees(graph, [every_integer(source)])


@pytest.mark.parametrize(("source", "target"), CHANGES)
@pytest.mark.parametrize("seed", SEEDS)
def test_requantize(source, target, seed):
    draw = Draw(seed)
    scale = draw.factor(0.01, 0.1)
    x = quantised(draw, source, (4, 512), scale)
    y = quantised(draw, target, (4, 512), scale * (1 if seed < 3 else draw.factor(0.2, 5)))
    graph = graph_of(ops.Requantize(target), x, y)
    tolerance = 0 if source is target else 1
    assert_litert_agrees(graph, [every_integer(x)], default_tolerance=tolerance)


@pytest.mark.parametrize("numerics", list(type_of_kernels.values()))
def test_infinities_saturate_and_nan_is_zero(numerics):
    result = TensorType(DType.I8, (5,), QuantParams.per_tensor(0.1, 3))
    graph = graph_of(ops.Quantize(), f32(5), result)
    reals = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38], np.float32)
    (integers,) = run(graph, [reals], numerics)
    assert integers.tolist() == [127, -128, 3, 127, -128]


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (DType.I8, [-128, -1, 0, 1, 127]),
        (DType.U8, [0, 0, 0, 1, 255]),
        (DType.I64, [-(2**63), -1, 0, 1, 2**63 - 1024]),
        (DType.F16, [-np.inf, -1.5, 0.0, 1.5, np.inf]),
        (DType.BOOL, [True, True, False, True, True]),
    ],
)
def test_casts_truncate_and_saturate(to, expected):
    graph = Graph()
    x = graph.add_input("x", f32(5))
    graph.set_outputs([graph.add(ops.Cast(to), x).output])
    (result,) = run(graph, [np.array([-1e30, -1.5, 0, 1.5, 1e30], np.float32)])
    assert result.tolist() == expected
