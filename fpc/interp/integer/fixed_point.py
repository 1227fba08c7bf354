"""Fixed-point arithmetic of integer kernels, vectorised over numpy arrays.

Raw values are held in int64 so that no intermediate of an int32 kernel overflows. The kernels of
TensorFlow Lite compute in int32 and would wrap (or be undefined) where an accumulator exceeds 31
bits; that does not happen for weights whose absolute values sum to less than 2**31 / 255 a
channel, and wrapping is not reproduced.

Sources: gemmlowp `fixedpoint/fixedpoint.h`; TensorFlow Lite `kernels/internal/common.h` and
`quantization_util.cc`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Integers: TypeAlias = NDArray[np.int64]

INT32_MAX = 2**31 - 1


class QuantizedMultiplier(NamedTuple):
    """A real factor as `significand * 2**(exponent - 31)`, one or one a channel.

    The significand is in [2**30, 2**31) or 0 (or negative for a negative factor); the exponent is
    positive for factors of 1 and more.
    """

    significand: Integers
    exponent: Integers


def quantize_multiplier(factor: ArrayLike) -> QuantizedMultiplier:
    """Round real factors (float64) to 31 significant bits.

    Factors below 2**-31 become 0. TensorFlow Lite `QuantizeMultiplier`.
    """
    pairs = [_quantize_one_multiplier(float(value)) for value in np.ravel(np.asarray(factor))]
    shape = np.shape(factor)
    significands = np.array([pair[0] for pair in pairs], np.int64).reshape(shape)
    exponents = np.array([pair[1] for pair in pairs], np.int64).reshape(shape)
    return QuantizedMultiplier(significands, exponents)


def _quantize_one_multiplier(factor: float) -> tuple[int, int]:
    if factor == 0.0:
        return 0, 0
    fraction, exponent = math.frexp(factor)
    significand = int(round_half_away(fraction * 2.0**31))
    if abs(significand) == 2**31:
        significand //= 2
        exponent += 1
    if exponent < -31:
        return 0, 0
    return significand, exponent


def round_half_away(x: Any) -> Any:
    """Round to the nearest integer, halves away from zero, in the precision of `x` (C `round`)."""
    x = np.asarray(x)
    truncated = np.trunc(x)
    return truncated + np.where(np.abs(x - truncated) >= 0.5, np.sign(x), 0).astype(x.dtype)


def saturating_rounding_doubling_high_mul(a: Integers, b: ArrayLike) -> Integers:
    """`round(a * b / 2**31)`, halves up: the product of two Q0.31 numbers.

    gemmlowp adds a nudge of 2**30 (1 - 2**30 below zero) and divides by 2**31 truncating, which is
    the arithmetic shift below. It saturates only where both are -2**31, which no multiplier is.
    """
    product = a * np.asarray(b, np.int64)
    product += 1 << 30
    product >>= 31
    return product


def rounding_divide_by_pot(x: Integers, exponent: ArrayLike) -> Integers:
    """`round(x / 2**exponent)`, halves away from zero (gemmlowp `RoundingDivideByPOT`)."""
    exponents = np.asarray(exponent, np.int64)
    if not exponents.any():
        return x
    half = np.where(exponents > 0, np.int64(1) << np.maximum(exponents - 1, 0), 0)
    sign = x >> 63
    if exponents.all():
        sign += half
    else:
        sign *= exponents > 0
        sign += half
    sign += x
    sign >>= exponents
    return sign


def saturating_left_shift(x: Integers, amount: ArrayLike, bits: int = 32) -> Integers:
    """`x * 2**amount`, saturated to `bits`-bit integers."""
    limit = 1 << (bits - 1)
    return np.clip(x << np.asarray(amount, np.int64), -limit, limit - 1)


def one_over_one_plus_x(x: Integers) -> Integers:
    """1 / (1 + x) for Q0.31 x in [0, 1), by three Newton-Raphson steps in Q2.29."""
    product = saturating_rounding_doubling_high_mul
    half_denominator = (x + INT32_MAX + 1) >> 1
    guess = round(48.0 / 17.0 * 2.0**29) + product(half_denominator, round(-32.0 / 17.0 * 2.0**29))
    for _ in range(3):
        error = (1 << 29) - product(half_denominator, guess)
        guess = guess + saturating_left_shift(product(guess, error), 2)
    return saturating_left_shift(guess, 1)


def bit_length(x: Integers) -> Integers:
    """How many bits non-negative integers below 2**53 take; 0 for 0."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)


def multiply_with_two_roundings(x: Integers, multiplier: QuantizedMultiplier) -> Integers:
    """`x` times a real factor, rounding once at 31 bits and once more at the final shift.

    TensorFlow Lite `MultiplyByQuantizedMultiplier` for 32-bit `x`.
    """
    left = np.maximum(multiplier.exponent, 0)
    if left.any():
        x = x << left
    high = saturating_rounding_doubling_high_mul(x, multiplier.significand)
    return rounding_divide_by_pot(high, np.maximum(-multiplier.exponent, 0))


def multiply_wide(x: Integers, multiplier: QuantizedMultiplier) -> Integers:
    """`x` times a real factor held in 16 significant bits, halves up.

    TensorFlow Lite `MultiplyByQuantizedMultiplier` for 64-bit `x`, which 16-bit activations use.
    """
    shift = 15 - multiplier.exponent
    return (x * reduced_multiplier(multiplier) + (np.int64(1) << (shift - 1))) >> shift


def reduced_multiplier(multiplier: QuantizedMultiplier) -> Integers:
    """The significand rounded to 16 bits: `reduced * 2**(exponent - 15)` is about the factor."""
    significand = multiplier.significand
    return np.where(significand < 0x7FFF0000, (significand + (1 << 15)) >> 16, 0x7FFF)


def broadcast_channels(values: Iterable[Any], rank: int, axis: int) -> NDArray[Any]:
    """Per-channel values shaped to broadcast along `axis` of an array of `rank` dimensions."""
    array = np.asarray(values)
    if array.size == 1:
        return array.reshape((1,) * rank)
    shape = [1] * rank
    shape[axis] = array.size
    return array.reshape(shape)
