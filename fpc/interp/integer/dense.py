"""Quantised matrix products.

Sources: TensorFlow Lite `reference/integer_ops/fully_connected.h`, `reference/batch_matmul.h`;
XNNPACK `operators/fully-connected-nc.c`, `batch-matrix-multiply-nc.c`.
"""

from __future__ import annotations

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.integer.exact import exact_float, magnitude_bound
from fpc.interp.integer.fixed_point import (
    QuantizedMultiplier,
    quantize_multiplier,
    round_half_away,
)
from fpc.interp.integer.rescale import (
    Range,
    activation_range,
    effective_scales,
    effective_scales_float32,
    requantise_fixed_point,
    requantise_float32,
    saturate,
)
from fpc.interp.numerics import Numerics
from fpc.ir.dtype import DType
from fpc.ir.ops import Dense, MatMul
from fpc.ir.types import QuantParams


def dense(call: Call[Dense], x: Array, w: Array, b: Array | None = None) -> Array:
    """`Dense`, with one weight scale or one a unit.

    The reference kernel multiplies the accumulator by the float64 effective scale and rounds once,
    halves away from zero.
    """
    result, numerics = call.result, call.numerics
    quants = call.operand(0).quantisation, call.operand(1).quantisation, result.quantisation
    dtype = exact_float(magnitude_bound(call.operand(0), w, b))
    sums = (x.astype(dtype) - dtype(quants[0].zero_point)) @ w.astype(dtype).T
    limits = activation_range(result, call.op.activation, numerics)
    offsets = np.zeros(w.shape[0], np.int64) if b is None else b
    if numerics is Numerics.TFLITE_XNNPACK and result.dtype is not DType.I16:
        factors = effective_scales_float32(*quants)
        return requantise_float32(sums, offsets, factors, result, limits)
    accumulator = sums.astype(np.float64) + offsets
    scaled = round_half_away(accumulator * effective_scales(*quants))
    return saturate(scaled + quants[2].zero_point, result, limits)


def matmul(call: Call[MatMul], a: Array, b: Array) -> Array:
    """`MatMul` of two quantised operands, both with zero points; XNNPACK leaves it alone."""
    result = call.result
    quants = call.operand(0).quantisation, call.operand(1).quantisation, result.quantisation
    left = a.astype(np.float64) - quants[0].zero_point
    right = b.astype(np.float64) - quants[1].zero_point
    sums = np.matmul(left, right)
    limits = Range(result.dtype.minimum, result.dtype.maximum)
    factor = _matmul_factor(*quants)
    return requantise_fixed_point(sums, 0, factor, result, limits)


def matmul_multiplier(a: QuantParams, b: QuantParams, result: QuantParams) -> QuantizedMultiplier:
    """What the sums of a `MatMul` are multiplied by."""
    return quantize_multiplier(_matmul_factor(a, b, result))


def _matmul_factor(a: QuantParams, b: QuantParams, result: QuantParams) -> float:
    return float(np.float32(a.scale) * np.float32(b.scale)) / result.scale
