"""Quantised functions of one value by table: real functions evaluated once for every integer.

Sources: TensorFlow Lite `LUTPopulate` in `internal/common.h` and `reference/gelu.h`; XNNPACK
`reference/unary-elementwise.cc`. Ops without a TensorFlow Lite kernel (SiLU, hard sigmoid and
the elementary functions) get the same treatment: until a target's legalisation replaces them, they
mean the integer nearest to the real result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpc.interp.call import Array, Call
from fpc.interp.floating.activation import unary as float_unary
from fpc.interp.integer.fixed_point import round_half_away
from fpc.interp.integer.rescale import saturate
from fpc.interp.numerics import Numerics
from fpc.ir.op import Op
from fpc.ir.ops import Gelu, HardSigmoid, Silu, Unary

Floats: TypeAlias = NDArray[np.float32]
RealFunction: TypeAlias = Callable[[Floats], Floats]


def look_up(call: Call[Op], x: Array, function: RealFunction) -> Array:
    """`function` of the real numbers that x stands for, in the result's quantisation.

    The arithmetic is float32; rounding is half away from zero (half to even in XNNPACK).
    """
    source, target = call.operand(0), call.result
    integers = np.arange(source.dtype.minimum, source.dtype.maximum + 1)
    steps = (integers - source.quantisation.zero_point).astype(np.float32)
    real = function(np.float32(source.quantisation.scale) * steps).astype(np.float32)
    scaled = real * (np.float32(1) / np.float32(target.quantisation.scale))
    nearest = np.rint if call.numerics is Numerics.TFLITE_XNNPACK else round_half_away
    limited = np.nan_to_num(nearest(scaled), posinf=2.0**31, neginf=-(2.0**31))
    table = saturate(limited.astype(np.int64) + target.quantisation.zero_point, target)
    return table[x.astype(np.int64) - source.dtype.minimum]


def real_sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), rounded to float32 after every operation."""
    exponential = _rounded(np.exp, -x)
    return np.float32(1) / (np.float32(1) + exponential)


def real_tanh(x: Floats) -> Floats:
    """tanh(x), rounded once."""
    return _rounded(np.tanh, x)


def real_hard_swish(x: Floats) -> Floats:
    """x * min(max(x + 3, 0), 6) / 6."""
    gate = np.minimum(np.maximum(x + np.float32(3), np.float32(0)), np.float32(6))
    return x * gate / np.float32(6)


def gelu(call: Call[Gelu], x: Array) -> Array:
    """`Gelu`."""
    return look_up(call, x, _gelu_by_tanh if call.op.approximate else _gelu_by_erfc)


def _gelu_by_erfc(x: Floats) -> Floats:
    argument = x * np.float32(-math.sqrt(0.5))
    complement = np.array([math.erfc(value) for value in argument.tolist()], np.float32)
    return np.float32(0.5) * x * complement


def _gelu_by_tanh(x: Floats) -> Floats:
    cubic = x + np.float32(0.044715) * x * x * x
    inner = np.multiply(np.float32(math.sqrt(2.0 / math.pi)), cubic, dtype=np.float32)
    return np.multiply(np.float32(0.5) * x, 1 + real_tanh(inner), dtype=np.float32)


def silu(call: Call[Silu], x: Array) -> Array:
    """`Silu`."""
    return look_up(call, x, lambda real: real * real_sigmoid(real))


def hard_sigmoid(call: Call[HardSigmoid], x: Array) -> Array:
    """`HardSigmoid`."""
    slope, offset = np.float32(call.op.alpha), np.float32(call.op.beta)
    return look_up(call, x, lambda real: np.clip(real * slope + offset, 0, 1))


def unary(call: Call[Unary], x: Array) -> Array:
    """`Unary`; a result that is not a number stands as 0."""
    return look_up(call, x, lambda real: float_unary(call, real))


def _rounded(function: Callable[[NDArray[np.float64]], NDArray[np.float64]], x: Floats) -> Floats:
    return function(x.astype(np.float64)).astype(np.float32)
