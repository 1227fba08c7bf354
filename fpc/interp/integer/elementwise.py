"""Quantised functions of two values.

Sources: TensorFlow Lite `add.cc`, `sub.cc`, `mul.cc` and `reference/integer_ops/{add,mul}.h`;
XNNPACK `microparams-init.c` and its `qs8-vadd`, `qs8-vmul` microkernels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.integer.fixed_point import (
    Integers,
    QuantizedMultiplier,
    bit_length,
    multiply_with_two_roundings,
    one_over_one_plus_x,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)
from fpc.interp.integer.rescale import (
    activation_range,
    requantise_float32,
    saturate,
)
from fpc.interp.numerics import Numerics
from fpc.ir.dtype import DType
from fpc.ir.ops import Add, Div, Maximum, Minimum, Mul, Sub
from fpc.ir.types import QuantParams, TensorType

_XNNPACK_MULTIPLIER_BITS = 20


def add(call: Call[Add], a: Array, b: Array) -> Array:
    """`Add`."""
    return _signed_sum(call, a, b, 1)


def sub(call: Call[Sub], a: Array, b: Array) -> Array:
    """`Sub`."""
    return _signed_sum(call, a, b, -1)


def _signed_sum(call: Call[Add] | Call[Sub], a: Array, b: Array, sign: int) -> Array:
    result = call.result
    scaled = (
        _xnnpack_sum(call, a, b, sign)
        if call.numerics is Numerics.TFLITE_XNNPACK and result.dtype is not DType.I16
        else _reference_sum(call, a, b, sign)
    )
    limits = activation_range(result, call.op.activation, call.numerics)
    return saturate(scaled + result.quantisation.zero_point, result, limits)


def _reference_sum(call: Call[Add] | Call[Sub], a: Array, b: Array, sign: int) -> Integers:
    """a + sign * b in units of the result's scale: see `ReferenceSumFactors`."""
    qa, qb = call.operand(0).quantisation, call.operand(1).quantisation
    factors = reference_sum_factors(qa, qb, call.result)
    ours = (a.astype(np.int64) - qa.zero_point) << factors.left_shift
    theirs = (b.astype(np.int64) - qb.zero_point) << factors.left_shift
    ours = multiply_with_two_roundings(ours, factors.left)
    theirs = multiply_with_two_roundings(theirs, factors.right)
    return multiply_with_two_roundings(ours + sign * theirs, factors.whole)


class ReferenceSumFactors(NamedTuple):
    """A sum by way of twice the greater input scale.

    Both operands are shifted left, scaled to it by `left` and `right`, summed, and scaled to the
    result by `whole`.
    """

    left_shift: int
    left: QuantizedMultiplier
    right: QuantizedMultiplier
    whole: QuantizedMultiplier


def reference_sum_factors(
    a: QuantParams, b: QuantParams, result: TensorType
) -> ReferenceSumFactors:
    """The factors of a sum in TensorFlow Lite's reference kernels."""
    left_shift = 15 if result.dtype is DType.I16 else 20
    common = 2.0 * max(a.scale, b.scale)
    whole = common / (2.0**left_shift * result.quantisation.scale)
    return ReferenceSumFactors(
        left_shift, *map(quantize_multiplier, (a.scale / common, b.scale / common, whole))
    )


class SumFactors(NamedTuple):
    """A sum in units of the result's scale: `(a * left + b * right + addend) >> shift`.

    The addend rounds halves up and takes the operands' zero points away. For 8-bit operands the
    parts and the sum fit into 32 bits while `shift` is at most 30.
    """

    left: int
    right: int
    addend: int
    shift: int


def xnnpack_sum_factors(
    a: QuantParams, b: QuantParams, result: QuantParams, sign: int = 1
) -> SumFactors:
    """The factors of a + sign * b in XNNPACK's fixed point: 21-bit multipliers, one shift."""
    scale = np.float32(result.scale)
    ratio_a, ratio_b = np.float32(a.scale) / scale, np.float32(b.scale) / scale
    exponent = math.frexp(float(max(ratio_a, ratio_b)))[1] - 1
    shift = _XNNPACK_MULTIPLIER_BITS - exponent
    left = int(np.rint(math.ldexp(float(ratio_a), shift)))
    right = sign * int(np.rint(math.ldexp(float(ratio_b), shift)))
    rounding = 1 << (shift - 1)
    addend = rounding - left * a.zero_point - right * b.zero_point
    return SumFactors(left, right, addend, shift)


def _xnnpack_sum(call: Call[Add] | Call[Sub], a: Array, b: Array, sign: int) -> Integers:
    qa, qb = call.operand(0).quantisation, call.operand(1).quantisation
    factors = xnnpack_sum_factors(qa, qb, call.result.quantisation, sign)
    total = a.astype(np.int64) * factors.left + b.astype(np.int64) * factors.right
    return (total + factors.addend) >> factors.shift


def mul(call: Call[Mul], a: Array, b: Array) -> Array:
    """`Mul`; the product's scale is computed in float32."""
    qa, qb = call.operand(0).quantisation, call.operand(1).quantisation
    result = call.result
    product = (a.astype(np.int64) - qa.zero_point) * (b.astype(np.int64) - qb.zero_point)
    scale = product_scale(qa, qb, result.quantisation)
    limits = activation_range(result, call.op.activation, call.numerics)
    if call.numerics is Numerics.TFLITE_XNNPACK and result.dtype is not DType.I16:
        return requantise_float32(product, 0, scale, result, limits)
    scaled = multiply_with_two_roundings(product, quantize_multiplier(float(scale)))
    return saturate(scaled + result.quantisation.zero_point, result, limits)


def product_scale(a: QuantParams, b: QuantParams, result: QuantParams) -> np.float32:
    """What a product of integers is multiplied by."""
    return np.float32(a.scale) * np.float32(b.scale) / np.float32(result.scale)


def div(call: Call[Div], a: Array, b: Array) -> Array:
    """`Div`: a Newton-Raphson reciprocal in 31 bits (TensorFlow Lite `reference/div.h`).

    Quotients so small that the last shift exceeds 31 come out wrong in the runtime, whose shifts
    wrap at 32 bits, and so they do here: targets do better to divide in float. The runtime refuses
    to divide by zero; here the divisor is then taken for 1.
    """
    qa, qb = call.operand(0).quantisation, call.operand(1).quantisation
    result = call.result
    scale = np.float32(qa.scale) / (np.float32(qb.scale) * np.float32(result.quantisation.scale))
    multiplier = quantize_multiplier(float(scale))
    dividend, divisor = a.astype(np.int64) - qa.zero_point, b.astype(np.int64) - qb.zero_point
    dividend = np.where(divisor < 0, -dividend, dividend)
    divisor = np.maximum(np.abs(divisor), 1)
    normalising = 32 - bit_length(divisor)
    reciprocal = one_over_one_plus_x((divisor << normalising) - (1 << 31))
    headroom = np.where(
        dividend >= 0, 31 - bit_length(dividend), 32 - bit_length(-2 * dividend - 1)
    ).astype(np.int64)
    quotient = saturating_rounding_doubling_high_mul(dividend << headroom, reciprocal)
    high = saturating_rounding_doubling_high_mul(quotient, multiplier.significand)
    shift = headroom + (31 - normalising) - multiplier.exponent
    scaled = np.where(
        shift <= 31,
        rounding_divide_by_pot(high, np.clip(shift, 0, 31)),
        (high >> np.clip(shift - 32, 0, 31)) + (high >= 0),
    )
    limits = activation_range(result, call.op.activation, call.numerics)
    return saturate(scaled + result.quantisation.zero_point, result, limits)


def maximum(call: Call[Maximum], a: Array, b: Array) -> Array:
    """`Maximum`: operands and result share their quantisation."""
    del call
    return np.maximum(a, b)


def minimum(call: Call[Minimum], a: Array, b: Array) -> Array:
    """`Minimum`: operands and result share their quantisation."""
    del call
    return np.minimum(a, b)
