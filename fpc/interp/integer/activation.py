"""Quantised activations.

Sources: TensorFlow Lite `activations.cc` (`LUTPopulate` in `internal/common.h`),
`reference/{hard_swish,leaky_relu,prelu}.h`, `reference/integer_ops/{logistic,tanh}.h`; XNNPACK
`microparams-init.c` and `reference/unary-elementwise.cc`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.integer.fixed_point import (
    Integers,
    multiply_with_two_roundings,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_left_shift,
)
from fpc.interp.integer.lookup import look_up, real_hard_swish, real_sigmoid, real_tanh
from fpc.interp.integer.rescale import activation_range, saturate
from fpc.interp.numerics import Numerics
from fpc.interp.quantisation import change_quantisation
from fpc.ir.dtype import DType
from fpc.ir.op import Activation
from fpc.ir.ops import Clip, HardSwish, LeakyRelu, PRelu, Relu, Relu6, Sigmoid, Tanh

_INT16_MAX = 2**15 - 1
_CLAMPS: Mapping[tuple[float | None, float | None], Activation] = MappingProxyType(
    {
        activation.bounds: activation
        for activation in (Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)
    }
)


def relu(call: Call[Relu], x: Array) -> Array:
    """`Relu`: rescaled, then clamped."""
    return _clamped(call, x, Activation.RELU)


def relu6(call: Call[Relu6], x: Array) -> Array:
    """`Relu6`: rescaled, then clamped."""
    return _clamped(call, x, Activation.RELU6)


def clip(call: Call[Clip], x: Array) -> Array:
    """`Clip`: as `relu6` where TensorFlow Lite has the kind.

    Otherwise limited in the quantisation of x, as MAXIMUM and MINIMUM with constants do, and then
    requantised.
    """
    source, result, low, high = call.operand(0), call.result, call.op.minimum, call.op.maximum
    kind = _CLAMPS.get((low, high))
    if kind is not None and (kind, result.dtype) != (Activation.RELU_N1_TO_1, DType.I16):
        return _clamped(call, x, kind)

    def nearest(bound: float) -> int:
        integer = source.quantisation.zero_point + round(bound / source.quantisation.scale)
        return min(max(integer, source.dtype.minimum), source.dtype.maximum)

    if low is not None:
        x = np.maximum(x, x.dtype.type(nearest(low)))
    if high is not None:
        x = np.minimum(x, x.dtype.type(nearest(high)))
    if source.quant == result.quant:
        return x
    return change_quantisation(x, source, result, call.numerics)


def _clamped(
    call: Call[Relu] | Call[Relu6] | Call[Clip], x: Array, activation: Activation
) -> Array:
    source, target = call.operand(0).quantisation, call.result.quantisation
    scaled = _rescaled(x, source.zero_point, np.float32(source.scale) / np.float32(target.scale))
    limits = activation_range(call.result, activation, Numerics.TFLITE_REFERENCE)
    return saturate(scaled + target.zero_point, call.result, limits)


def _rescaled(x: Array, zero_point: int, factor: np.float32) -> Integers:
    centred = x.astype(np.int64) - zero_point
    return multiply_with_two_roundings(centred, quantize_multiplier(float(factor)))


def leaky_relu(call: Call[LeakyRelu], x: Array) -> Array:
    """`LeakyRelu`: one factor for positive values, one for negative ones.

    XNNPACK holds the factors in 8 fractional bits and takes the op for factors in [1/256, 128].
    """
    source, target = call.operand(0).quantisation, call.result.quantisation
    scale_in, scale_out = np.float32(source.scale), np.float32(target.scale)
    slope = np.float32(call.op.alpha)
    positive = scale_in / scale_out
    if call.numerics is Numerics.TFLITE_XNNPACK and _in_xnnpack_range(positive, slope, x):
        factors = np.rint(np.float32(256) * np.array([positive * slope, positive]))
        centred = x.astype(np.int64) - source.zero_point
        scaled = (centred * factors.astype(np.int64)[(centred >= 0).astype(np.intp)] + 128) >> 8
        return saturate(scaled + target.zero_point, call.result)
    negative = scale_in * slope / scale_out
    scaled = np.where(
        x >= source.zero_point,
        _rescaled(x, source.zero_point, positive),
        _rescaled(x, source.zero_point, negative),
    )
    return saturate(scaled + target.zero_point, call.result)


def _in_xnnpack_range(positive: np.float32, slope: np.float32, x: Array) -> bool:
    low, high = 2.0**-8, 2.0**7
    ratios = float(positive), abs(float(positive * slope))
    return x.dtype == np.int8 and all(low <= ratio <= high for ratio in ratios)


def prelu(call: Call[PRelu], x: Array, slope: Array) -> Array:
    """`PRelu`: as `leaky_relu`, the slope an operand."""
    source, target = call.operand(0).quantisation, call.result.quantisation
    slopes = call.operand(1).quantisation
    scale_in, scale_out = np.float32(source.scale), np.float32(target.scale)
    centred = x.astype(np.int64) - source.zero_point
    steeper = centred * (slope.astype(np.int64) - slopes.zero_point)
    positive = quantize_multiplier(float(scale_in / scale_out))
    negative = quantize_multiplier(float(scale_in * np.float32(slopes.scale) / scale_out))
    scaled = np.where(
        centred >= 0,
        multiply_with_two_roundings(centred, positive),
        multiply_with_two_roundings(steeper, negative),
    )
    return saturate(scaled + target.zero_point, call.result)


def hard_swish(call: Call[HardSwish], x: Array) -> Array:
    """`HardSwish` in 16-bit fixed point; 16-bit activations, which have no kernel, by table."""
    if call.result.dtype is DType.I16:
        return look_up(call, x, real_hard_swish)
    source, target = call.operand(0).quantisation, call.result.quantisation
    high_scale = np.float32(1 / 128) * np.float32(source.scale)
    out_factor, out_exponent = _int16_multiplier(high_scale / np.float32(target.scale))
    relu_factor, relu_exponent = _int16_multiplier(high_scale / np.float32(3 / 32768))
    high = (x.astype(np.int64) - source.zero_point) << 7
    preshift = _rounding_high_mul_16(high, out_factor)
    gate = high
    if relu_exponent > 0:
        gate = saturating_left_shift(gate, relu_exponent - 1, 16)
    gate = _rounding_high_mul_16(gate, relu_factor)
    if relu_exponent > 0:
        gate = saturating_left_shift(gate, 1, 16)
    elif relu_exponent < 0:
        gate = rounding_divide_by_pot(gate, -relu_exponent)
    gate = (gate + (1 << 15)) >> 1
    product = _truncating_high_mul_16(gate, preshift)
    return saturate(rounding_divide_by_pot(product, -out_exponent) + target.zero_point, call.result)


def _int16_multiplier(factor: np.float32) -> tuple[int, int]:
    multiplier = quantize_multiplier(float(factor))
    significand = int(multiplier.significand)
    if significand >= 2**31 - 1 - (1 << 15):
        return _INT16_MAX, int(multiplier.exponent)
    return (significand + (1 << 15)) >> 16, int(multiplier.exponent)


def _rounding_high_mul_16(a: Integers, b: int) -> Integers:
    """round(a * b / 2**15), halves up, saturated to int16."""
    return np.minimum((a * b + (1 << 14)) >> 15, _INT16_MAX)


def _truncating_high_mul_16(a: Integers, b: Integers) -> Integers:
    """a * b / 2**15 truncated towards zero, saturated to int16."""
    product = a * b
    return np.minimum(np.sign(product) * (np.abs(product) >> 15), _INT16_MAX)


def sigmoid(call: Call[Sigmoid], x: Array) -> Array:
    """`Sigmoid` by table; in 16 bits by a table of sigmoid at multiples of 1/24, interpolated."""
    if call.result.dtype is not DType.I16:
        return look_up(call, x, real_sigmoid)
    scaled = _on_table_scale(call, x, (0,))
    magnitude = np.abs(scaled)
    index, low, rise = _table_cell(magnitude, 9)
    value = np.where(index >= 255, 0x7FFF << 10, (low << 9) + (magnitude & 0x1FF) * rise)
    mirrored = np.where(scaled >= 0, value + (1 << 9), (1 << 25) - value + (1 << 9) - 1)
    return (mirrored >> 10).astype(np.int16)


def tanh(call: Call[Tanh], x: Array) -> Array:
    """`Tanh`: a table for 8 bits, 2 * sigmoid(2x) - 1 by the sigmoid's table for 16."""
    if call.result.dtype is not DType.I16:
        return look_up(call, x, real_tanh)
    scaled = _on_table_scale(call, x, (0, 1))
    magnitude = np.abs(scaled)
    index, low, rise = _table_cell(magnitude, 8)
    value = np.where(index >= 255, 0xFFFF << 8, (low << 8) + (magnitude & 0xFF) * rise)
    one = 1 << 23
    centred = np.where(scaled >= 0, value - one + (1 << 7), one - value + (1 << 7) - 1)
    return (centred >> 8).astype(np.int16)


def _on_table_scale(
    call: Call[Sigmoid] | Call[Tanh], x: Array, shifts: tuple[int, ...]
) -> Integers:
    """`x` in units of 1 / 12288.

    Scales of 2**-12 times 2**shift, with one of `shifts`, are multiplied exactly, others by a
    15-bit factor.
    """
    scale = np.float32(call.operand(0).quantisation.scale)
    log2 = np.log(scale) * np.float32(1 / np.log(np.float32(2)))
    exponent = round(float(log2))
    if abs(float(log2) - exponent) < 1e-3 and 12 + exponent in shifts:
        return x.astype(np.int64) * (3 << (12 + exponent))
    factor, shift = float(scale) * 4096.0 * 3.0, 0
    while factor <= 32767.0 / 2.0 and shift <= 30:
        shift += 1
        factor *= 2.0
    rounding = 1 << (shift - 1) if shift > 0 else 0
    return (x.astype(np.int64) * int(factor) + rounding) >> shift


def _table_cell(magnitude: Integers, shift: int) -> tuple[Integers, Integers, Integers]:
    """The table cell of a magnitude: its index (255 and more: beyond), its value, the next rise."""
    table = _sigmoid_table()
    index = magnitude >> shift
    low = table[np.minimum(index, 255)]
    return index, low, table[np.minimum(index + 1, 255)] - low


@cache
def _sigmoid_table() -> Integers:
    """sigmoid(i / 24) in 16 fractional bits for i = 0 ... 255, for linear interpolation.

    Each sample is moved by half of what interpolation misses at the middle of its cell; the last
    one is the largest 16-bit number. These are the numbers of `sigmoid_table_uint16` in TensorFlow
    Lite's `internal/common.h`.
    """
    half_cells = 65536.0 / (1.0 + np.exp(-np.arange(513) / 48.0))
    low, middle, high = half_cells[0:511:2], half_cells[1:512:2], half_cells[2:513:2]
    samples = np.floor(low + (middle - (low + high) / 2.0) / 2.0 + 0.5).astype(np.int64)
    samples[255] = 65535
    return samples
