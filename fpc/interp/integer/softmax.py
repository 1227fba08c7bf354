"""Quantised softmax.

Sources: TensorFlow Lite `reference/softmax.h`, `activations.cc`, `quantization_util.cc`; gemmlowp
`fixedpoint/fixedpoint.h` (`exp_on_negative_values`, `one_over_one_plus_x_for_x_in_0_1`). Qm.n
means m integer and n fractional bits besides the sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fpc.interp.call import Array, Call
from fpc.interp.integer.fixed_point import (
    INT32_MAX,
    Integers,
    QuantizedMultiplier,
    bit_length,
    multiply_with_two_roundings,
    one_over_one_plus_x,
    quantize_multiplier,
    round_half_away,
    rounding_divide_by_pot,
    saturating_left_shift,
    saturating_rounding_doubling_high_mul,
)
from fpc.interp.numerics import Numerics
from fpc.ir.dtype import DType
from fpc.ir.ops import Softmax
from fpc.ir.types import QuantParams

_INPUT_INTEGER_BITS = 5
_SUM_INTEGER_BITS = 12


def softmax(call: Call[Softmax], x: Array) -> Array:
    """`Softmax`; the result has scale 1/256 and zero point -128, or scale 1/32768 in 16 bits."""
    rows = np.moveaxis(x.astype(np.int64), call.op.axis, -1)
    difference = rows - rows.max(axis=-1, keepdims=True)
    if call.result.dtype is DType.I16:
        result = _softmax_16(call, difference)
    elif call.numerics is Numerics.TFLITE_XNNPACK:
        result = _softmax_by_float_table(call, difference)
    else:
        result = _softmax_8(call, difference)
    return np.moveaxis(result, -1, call.op.axis).astype(call.result.dtype.numpy)


def _softmax_8(call: Call[Softmax], difference: Integers) -> Integers:
    scale = call.operand(0).quantisation.scale
    factor = min(scale * 2.0 ** (31 - _INPUT_INTEGER_BITS), 2.0**31 - 1.0)
    multiplier = quantize_multiplier(factor)
    largest = ((1 << _INPUT_INTEGER_BITS) - 1) * 2.0 ** (31 - _INPUT_INTEGER_BITS)
    least_difference = -math.floor(largest / 2.0 ** int(multiplier.exponent))
    counted = difference >= least_difference
    scaled = multiply_with_two_roundings(np.where(counted, difference, 0), multiplier)
    exponentials = exp_on_negative_values(scaled)
    terms = np.where(counted, rounding_divide_by_pot(exponentials, _SUM_INTEGER_BITS), 0)
    total = terms.sum(axis=-1, keepdims=True)
    headroom = 32 - bit_length(total)
    reciprocal = one_over_one_plus_x((total << headroom) - (1 << 31))
    bits_over_unit = _SUM_INTEGER_BITS - headroom
    bits = call.result.dtype.bits
    quotient = saturating_rounding_doubling_high_mul(exponentials, reciprocal)
    share = rounding_divide_by_pot(quotient, bits_over_unit + 31 - bits)
    low, high = call.result.dtype.minimum, call.result.dtype.maximum
    return np.where(counted, np.clip(share + low, low, high), low)


def exp_on_negative_values(x: Integers) -> Integers:
    """exp of Q5.26 numbers up to 0, as Q0.31: a polynomial on [-1/4, 0), times powers of e."""
    fraction_bits = 31 - _INPUT_INTEGER_BITS
    quarter = 1 << (fraction_bits - 2)
    remainder = (x & (quarter - 1)) - quarter
    result = _exp_near_zero(saturating_left_shift(remainder, _INPUT_INTEGER_BITS))
    rest = remainder - x
    for power in range(-2, _INPUT_INTEGER_BITS):
        bit = (rest >> (fraction_bits + power)) & 1
        factor = round(math.exp(-(2.0**power)) * 2.0**31)
        result = np.where(bit, saturating_rounding_doubling_high_mul(result, factor), result)
    return np.where(x == 0, INT32_MAX, result)


def _exp_near_zero(a: Integers) -> Integers:
    """exp on [-1/4, 0) in Q0.31: exp(-1/8) times the Taylor polynomial of degree 4 around -1/8."""
    product = saturating_rounding_doubling_high_mul
    centre = round(math.exp(-0.125) * 2.0**31)
    third = round(2.0**31 / 3.0)
    x = a + (1 << 28)
    x2 = product(x, x)
    x3 = product(x2, x)
    x4 = product(x2, x2)
    cubic = product(rounding_divide_by_pot(x4, 2) + x3, third)
    polynomial = x + rounding_divide_by_pot(cubic + x2, 1)
    return centre + product(polynomial, centre)


def _softmax_by_float_table(call: Call[Softmax], difference: Integers) -> Integers:
    """TensorFlow Lite's optimised kernel, which runs where XNNPACK leaves the op alone."""
    terms = exponentials_of_steps(call.operand(0).quantisation)[-difference]
    # One after the other, as the kernel's loop adds them: `sum` adds in pairs.
    total = np.add.accumulate(terms, axis=-1, dtype=np.float32)[..., -1:]
    target = call.result.quantisation
    share = terms * (np.float32(1) / (total * np.float32(target.scale)))
    low, high = call.result.dtype.minimum, call.result.dtype.maximum
    return np.clip(np.rint(share).astype(np.int64) + target.zero_point, low, high)


def exponentials_of_steps(x: QuantParams) -> NDArray[np.float32]:
    """exp(-i * scale) for i = 0 ... 255, in float32."""
    steps = np.arange(256, dtype=np.float32)
    return np.exp(-np.float32(x.scale) * steps).astype(np.float32)


def _softmax_16(call: Call[Softmax], difference: Integers) -> Integers:
    multiplier = difference_multiplier(call.operand(0).quantisation)
    scaled = multiply_with_two_roundings(difference, multiplier)
    centred = np.clip(scaled + 32767, -32768, 32767)
    exponentials = _interpolate(exp_table(), centred)
    total = exponentials.sum(axis=-1, keepdims=True)
    headroom = 32 - bit_length(total)
    shifted = ((total << (headroom - 1)) + (1 << 13)) >> 14
    argument = np.clip(shifted - (1 << 15) - (1 << 16), -32768, 32767)
    reciprocal = _interpolate(reciprocal_table(), argument)
    shift = 31 - headroom
    rounding = np.int64(1) << (shift - 1)
    return np.clip((exponentials * reciprocal + rounding) >> shift, 0, 32767)


def difference_multiplier(x: QuantParams) -> QuantizedMultiplier:
    """What 16-bit differences are multiplied by to address the table of exp."""
    return quantize_multiplier(float(np.float32(x.scale)) / (10.0 / 65535.0))


def _interpolate(table: Integers, x: Integers) -> Integers:
    """A 513-entry table over int16, its upper 9 bits the index, the lower 7 interpolated."""
    index = 256 + (x >> 7)
    low = table[index]
    return low + (((table[index + 1] - low) * (x & 0x7F) + 64) >> 7)


@cache
def exp_table() -> Integers:
    """exp over [-10, 0]."""
    return _table(np.exp, -10.0, 0.0)


@cache
def reciprocal_table() -> Integers:
    """1 / (1 + x) over [0, 1]."""
    return _table(lambda x: 1.0 / (1.0 + x), 0.0, 1.0)


def _table(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]], low: float, high: float
) -> Integers:
    """513 samples of a function into [-1, 1], each moved to halve the interpolation's error."""
    step = (high - low) / 512.0
    scale = 65536.0 / 2.0
    at: NDArray[np.float64] = low + np.arange(512, dtype=np.float64) * step
    value = function(at) * scale
    middle = function(at + step / 2.0) * scale
    following = function(low + np.arange(1, 513, dtype=np.float64) * step) * scale
    sample = round_half_away(value)
    interpolated = round_half_away((following + sample) / 2.0)
    error = interpolated - round_half_away(middle)
    samples = np.append(
        sample - round_half_away(error / 2.0), round_half_away(function(np.array([high])) * scale)
    )
    return np.clip(samples, -32768, 32767).astype(np.int64)
