"""Quantised pooling and means.

Sources: TensorFlow Lite `reference/integer_ops/pooling.h`, `reference/reduce.h`; XNNPACK
`operators/reduce-nd.c`.
"""

from __future__ import annotations

import math

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.integer.fixed_point import (
    QuantizedMultiplier,
    multiply_with_two_roundings,
    quantize_multiplier,
)
from fpc.interp.integer.rescale import saturate
from fpc.interp.numerics import Numerics
from fpc.interp.window import window_counts, window_sums
from fpc.ir.dtype import DType
from fpc.ir.ops import AvgPool, GlobalAvgPool, ReduceMean
from fpc.ir.types import QuantParams


def avg_pool(call: Call[AvgPool], x: Array) -> Array:
    """`AvgPool`: the integer mean of the integers, halves away from zero.

    Padding that counts is the zero point, real zero.
    """
    zero_point = call.operand(0).quantisation.zero_point
    fill = zero_point if call.op.count_include_pad else 0
    sums = window_sums(call.op, x.astype(np.int32), fill)
    counts = window_counts(call.op, x.shape)
    half = counts // 2
    rounded = np.where(sums > 0, sums + half, half - sums) // counts
    return saturate(np.where(sums > 0, rounded, -rounded), call.result)


def global_avg_pool(call: Call[GlobalAvgPool], x: Array) -> Array:
    """`GlobalAvgPool`, as the mean over the spatial axes."""
    return _mean(call, x, call.op.layout.spatial_axes, keep_dims=True)


def reduce_mean(call: Call[ReduceMean], x: Array) -> Array:
    """`ReduceMean`."""
    return _mean(call, x, call.op.axes, keep_dims=call.op.keep_dims)


def _mean(
    call: Call[GlobalAvgPool] | Call[ReduceMean],
    x: Array,
    axes: tuple[int, ...],
    *,
    keep_dims: bool,
) -> Array:
    source, result = call.operand(0).quantisation, call.result
    count = math.prod(x.shape[axis] for axis in axes)
    sums = x.sum(axis=axes, keepdims=keep_dims, dtype=np.int64)
    shift = source.zero_point * count
    target = result.quantisation
    if call.numerics is Numerics.TFLITE_XNNPACK and result.dtype is not DType.I16:
        scale, addend = xnnpack_mean_factors(source, target, count)
        return saturate(np.rint(sums.astype(np.float32) * scale + addend), result)
    factor = mean_multiplier(source, target, count)
    return saturate(multiply_with_two_roundings(sums - shift, factor) + target.zero_point, result)


def xnnpack_mean_factors(
    source: QuantParams, target: QuantParams, count: int
) -> tuple[np.float32, np.float32]:
    """What XNNPACK multiplies a sum of `count` integers by for their mean, and what it adds then.

    Both zero points enter as one addend after the scaling, which decides near-ties. ARM fuses the
    addition into the multiplication and can round about one mean in a million otherwise.
    """
    ratio = np.float32(source.scale) / np.float32(target.scale)
    scale = ratio * (np.float32(1) / np.float32(count))
    return scale, np.float32(target.zero_point) - np.float32(source.zero_point * count) * scale


def mean_multiplier(source: QuantParams, target: QuantParams, count: int) -> QuantizedMultiplier:
    """What the reference kernel multiplies a sum of `count` integers by for their mean.

    The ratio of the scales is divided by the count, truncated, its significand first shifted up by
    log2(count).
    """
    multiplier = quantize_multiplier(source.scale / target.scale)
    significand, exponent = int(multiplier.significand), int(multiplier.exponent)
    shift = min(count.bit_length() - 1, 32, 31 + exponent)
    return QuantizedMultiplier(
        np.array((significand << shift) // count), np.array(exponent - shift)
    )
