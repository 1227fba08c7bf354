"""From an accumulator to a quantised result: scaling, rounding, zero point, activation range."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpc.interp.call import Array
from fpc.interp.integer.fixed_point import (
    QuantizedMultiplier,
    multiply_wide,
    multiply_with_two_roundings,
    quantize_multiplier,
    round_half_away,
)
from fpc.interp.numerics import Numerics
from fpc.ir.dtype import DType
from fpc.ir.op import Activation
from fpc.ir.types import QuantParams, TensorType

_BLOCK_ELEMENTS = 1 << 16


class Range(NamedTuple):
    """Smallest and largest integer of a result."""

    minimum: int
    maximum: int


def activation_range(result: TensorType, activation: Activation, numerics: Numerics) -> Range:
    """The integers that a fused activation leaves of the result's element type.

    TensorFlow Lite (`CalculateActivationRangeQuantized`) rounds bounds half away from zero,
    XNNPACK half to even, both after a float32 division by the scale.
    """
    nearest = np.rint if numerics is Numerics.TFLITE_XNNPACK else round_half_away
    scale = np.float32(result.quantisation.scale)
    zero_point = result.quantisation.zero_point

    def integer(bound: float) -> int:
        return zero_point + int(nearest(np.float32(bound) / scale))

    low, high = activation.bounds
    minimum, maximum = result.dtype.minimum, result.dtype.maximum
    if low is not None:
        minimum = max(minimum, min(integer(low), maximum))
    if high is not None:
        maximum = min(maximum, max(integer(high), minimum))
    return Range(minimum, maximum)


def saturate(values: Array, result: TensorType, limits: Range | None = None) -> Array:
    """Integers limited to a range (that of the element type by default), as the result's type."""
    low, high = limits or Range(result.dtype.minimum, result.dtype.maximum)
    return np.clip(values, low, high).astype(result.dtype.numpy)


def effective_scales(x: QuantParams, w: QuantParams, y: QuantParams) -> NDArray[np.float64]:
    """Input scale x weight scale / output scale in float64, one or one a channel.

    TensorFlow Lite `PopulateConvolutionQuantizationParams`.
    """
    return x.scale * np.array(w.scales, np.float64) / y.scale


def effective_scales_float32(x: QuantParams, w: QuantParams, y: QuantParams) -> NDArray[np.float32]:
    """The same with float32 arithmetic, as XNNPACK's operators do."""
    return np.float32(x.scale) * np.array(w.scales, np.float32) / np.float32(y.scale)


def requantise_fixed_point(
    sums: Array, offsets: ArrayLike, factors: ArrayLike, result: TensorType, limits: Range
) -> Array:
    """Integer sums plus offsets, times real factors in fixed point.

    The reference kernels of TensorFlow Lite: 8-bit results come from 32-bit accumulators, rounded
    twice; 16-bit ones from 64-bit accumulators with 16-bit factors. Offsets and factors broadcast
    to the sums.
    """
    multiplier = quantize_multiplier(factors)
    multiply = multiply_wide if result.dtype is DType.I16 else multiply_with_two_roundings
    zero_point = result.quantisation.zero_point

    def block(part: Array, offset: Array, significand: Array, exponent: Array) -> Array:
        accumulator = part.astype(np.int64)
        accumulator += offset
        scaled = multiply(accumulator, QuantizedMultiplier(significand, exponent))
        scaled += zero_point
        return np.clip(scaled, limits.minimum, limits.maximum, out=scaled)

    offsets = np.asarray(offsets, np.int64)
    return _by_block(block, sums, (offsets, *multiplier), result)


def requantise_float32(
    sums: Array, offsets: ArrayLike, factors: ArrayLike, result: TensorType, limits: Range
) -> Array:
    """Integer sums plus offsets, rounded to float32, times float32 factors, halves to even.

    XNNPACK's `fp32` requantisation. Offsets and factors broadcast to the sums.
    """
    zero_point = result.quantisation.zero_point
    low, high = np.float32(limits.minimum - zero_point), np.float32(limits.maximum - zero_point)

    def block(part: Array, offset: Array, factor: Array) -> Array:
        scaled = (part + offset).astype(np.float32, copy=False)
        scaled *= factor
        np.rint(scaled, out=scaled)
        np.clip(scaled, low, high, out=scaled)
        scaled += np.float32(zero_point)
        return scaled

    offsets = np.asarray(offsets, sums.dtype)
    return _by_block(block, sums, (offsets, np.asarray(factors, np.float32)), result)


def _by_block(
    kernel: Callable[..., Array], sums: Array, parameters: tuple[Array, ...], result: TensorType
) -> Array:
    """A kernel applied to slices along the second axis, small enough to stay in the cache."""
    y = np.empty(sums.shape, result.dtype.numpy)
    if sums.ndim < 3 or sums.size <= _BLOCK_ELEMENTS:
        y[...] = kernel(sums, *parameters)
        return y
    step = max(1, _BLOCK_ELEMENTS * sums.shape[0] * sums.shape[1] // sums.size)
    ranked = [p.reshape((1,) * (sums.ndim - p.ndim) + p.shape) for p in parameters]
    whole = [np.broadcast_to(p, (1, sums.shape[1], *p.shape[2:])) for p in ranked]
    for image in range(sums.shape[0]):
        for start in range(0, sums.shape[1], step):
            rows = slice(start, start + step)
            y[image, rows] = kernel(sums[image, rows], *(p[0, rows] for p in whole))
    return y
