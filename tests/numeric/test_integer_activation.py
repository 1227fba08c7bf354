"""Quantised activations against LiteRT, on every integer: every bit, under both numerics."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.types import QuantParams
from tests.numeric.integer_cases import (
    PRECISIONS,
    Draw,
    assert_litert_agrees,
    every_integer,
    one_op,
    type_of_kernels,
)

SEEDS = range(20)


def shape_of(dtype):
    """Enough values for every 8-bit integer, and for a fair sample of the 16-bit ones."""
    return (2, 16, 16, 9) if dtype is DType.I16 else (1, 8, 8, 4)


def check(op, draw: Draw, y: QuantParams, *others, x_scale=None):
    x = draw.type(shape_of(draw.dtype), x_scale or draw.factor(0.003, 0.3))
    graph = one_op(op, [x, *others], y)
    assert_litert_agrees(graph, [every_integer(x)])


def fixed(dtype, scale, zero_point):
    """The result of a function with a bounded range."""
    if dtype is DType.I16:
        return QuantParams.per_tensor(1 / 32768)
    return QuantParams.per_tensor(scale, zero_point)


@pytest.mark.parametrize(
    "op", [ops.Relu(), ops.Relu6(), ops.Clip(-1.0, 1.0), ops.Clip(-0.3), ops.Clip(None, 2.2)]
)
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("seed", SEEDS)
def test_clamps(op, dtype, seed):
    draw = Draw(seed, dtype)
    check(op, draw, draw.quant(draw.factor(0.005, 0.3)))


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("seed", SEEDS)
def test_clip_in_place(dtype, seed):
    draw = Draw(seed, dtype)
    x = draw.type(shape_of(dtype), draw.factor(0.01, 0.1))
    bounds = sorted(draw.rng.uniform(-3, 3, 2).tolist())
    graph = one_op(ops.Clip(*bounds), [x], x.quantisation)
    assert_litert_agrees(graph, [every_integer(x)])


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.3, 1.5])
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("seed", SEEDS)
def test_leaky_relu(alpha, dtype, seed):
    draw = Draw(seed, dtype)
    check(ops.LeakyRelu(alpha), draw, draw.quant(draw.factor(0.005, 0.3)))


@pytest.mark.parametrize("seed", SEEDS)
def test_prelu(seed):
    draw = Draw(seed)
    slope = (draw.integers((1, 1, 4)), QuantParams.per_tensor(0.01, draw.zero_point()))
    check(ops.PRelu(), draw, draw.quant(draw.factor(0.02, 0.3)), slope)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("seed", SEEDS)
def test_sigmoid(dtype, seed):
    check(ops.Sigmoid(), Draw(seed, dtype), fixed(dtype, 1 / 256, -128))


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("seed", SEEDS)
def test_tanh(dtype, seed):
    check(ops.Tanh(), Draw(seed, dtype), fixed(dtype, 1 / 128, 0))


@pytest.mark.parametrize("op", [ops.Sigmoid(), ops.Tanh()])
@pytest.mark.parametrize("exponent", [-9, -10, -11, -12, -13])
def test_16_bit_powers_of_two(op, exponent):
    """Some power-of-two scales are scaled exactly."""
    y = QuantParams.per_tensor(1 / 32768)
    check(op, Draw(1, DType.I16), y, x_scale=256 * 2.0**exponent)


@pytest.mark.parametrize("seed", SEEDS)
def test_hard_swish(seed):
    draw = Draw(seed)
    x_scale = draw.factor(0.003, 0.3)
    check(ops.HardSwish(), draw, draw.quant(x_scale * draw.factor(0.1, 2)), x_scale=x_scale)


@pytest.mark.parametrize("approximate", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_gelu(approximate, seed):
    draw = Draw(seed)
    check(ops.Gelu(approximate), draw, draw.quant(draw.factor(0.003, 0.3)))


@pytest.mark.parametrize(
    ("op", "real"),
    [
        (ops.Silu(), lambda x: x / (1 + np.exp(-x))),
        (ops.HardSigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
        (ops.Unary(ops.Function.ABS), np.abs),
        (ops.Unary(ops.Function.EXP), np.exp),
    ],
)
@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("numerics", list(type_of_kernels.values()))
def test_ops_without_kernels_are_nearest(op, real, dtype, numerics):
    """What no back end emits means the integer nearest to the real result."""
    draw = Draw(2, dtype)
    x = draw.type(shape_of(dtype), 0.04)
    y = draw.quant(0.03)
    graph = one_op(op, [x], y)
    integers = every_integer(x)
    (result,) = run(graph, [integers], numerics)
    source = x.quantisation
    expected = real((integers.astype(np.float64) - source.zero_point) * source.scale) / y.scale
    limits = np.clip(expected + y.zero_point, dtype.minimum, dtype.maximum)
    assert np.abs(result - limits).max() <= 0.51
