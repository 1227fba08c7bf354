"""Real factors in 31-bit fixed point, rounded twice, as TensorFlow Lite's integer kernels do."""

from __future__ import annotations

import numpy as np

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.library import Expression, Library, Tensor
from fpc.interp.integer.fixed_point import QuantizedMultiplier
from fpc.ir.constant import Array
from fpc.ir.dtype import DType

FACTOR = Parameter(DType.I64, (5,))
"""A factor: bits to the left, significand, bits to the right, half of those, and -1 where there are
any, which rounds halves away from zero."""


SMALL_FACTOR = Parameter(DType.I32, (6,))
"""A factor of 1 or less: the significand, its upper 15 bits and its lower 16, and the last three of
a `FACTOR`."""


def factor_of(multiplier: QuantizedMultiplier) -> Array:
    """The parameter `FACTOR` of one multiplier."""
    exponent = int(multiplier.exponent)
    right = max(-exponent, 0)
    numbers = max(exponent, 0), int(multiplier.significand), right, (1 << right) >> 1, -(right > 0)
    return np.array(numbers, np.int64)


def small_factor_of(multiplier: QuantizedMultiplier) -> Array:
    """The parameter `SMALL_FACTOR` of a multiplier that has no bits to the left."""
    _, significand, *shift = factor_of(multiplier).tolist()
    halves = significand >> 16, significand & 0xFFFF
    return np.array((significand, *halves, *shift), np.int32)


def scaled(library: Library, value: Expression, factor: Tensor) -> Expression:
    """An int64 below 2**32 times a factor, as int64.

    See `fpc.interp.integer.fixed_point.multiply_with_two_roundings`.
    """
    left, significand, right, half, rounds = (factor[i] for i in range(5))
    nudge = library.constant(1 << 30, DType.I64)
    high = ((value << left) * significand + nudge) >> library.constant(31, DType.I64)
    sign = (high >> library.constant(63, DType.I64)) & rounds
    return (high + sign + half) >> right


def scaled_int16(library: Library, value: Expression, factor: Tensor) -> Expression:
    """An int32 of 16 bits, times 2**15, times a `SMALL_FACTOR`: `scaled` without 64 bits.

    It is (2**15 x (2**16 h + l) + 2**30) >> 31, or x h + ((x l + 2**15) >> 16).
    """
    high = value * factor[1] + ((value * factor[2] + (1 << 15)) >> 16)
    return _shifted(library, high, factor)


def scaled_int32(library: Library, value: Expression, factor: Tensor) -> Expression:
    """An int32 times a `SMALL_FACTOR`, as int32: `scaled` with one product of 64 bits."""
    # TVM would take 64-bit sums of what a sum is of. LLVM drops the bound, and as it sees 32 bits
    # become 64, it takes the short product.
    bounded = library.maximum(value, library.i32(DType.I32.minimum))
    wide, times = (library.cast(each, DType.I64) for each in (bounded, factor[0]))
    nudge = library.constant(1 << 30, DType.I64)
    high = (wide * times + nudge) >> library.constant(31, DType.I64)
    return _shifted(library, library.i32(high), factor)


def _shifted(library: Library, high: Expression, factor: Tensor) -> Expression:
    """An int32 shifted by the bits to the right, halves away from zero."""
    right, half, rounds = (factor[index] for index in (3, 4, 5))
    sign = (high >> library.constant(31, DType.I32)) & rounds
    return (high + sign + half) >> right
