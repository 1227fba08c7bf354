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


def factor_of(multiplier: QuantizedMultiplier) -> Array:
    """The parameter `FACTOR` of one multiplier."""
    exponent = int(multiplier.exponent)
    right = max(-exponent, 0)
    numbers = max(exponent, 0), int(multiplier.significand), right, (1 << right) >> 1, -(right > 0)
    return np.array(numbers, np.int64)


def scaled(library: Library, value: Expression, factor: Tensor) -> Expression:
    """An int64 below 2**32 times a factor, as int64.

    See `fpc.interp.integer.fixed_point.multiply_with_two_roundings`.
    """
    left, significand, right, half, rounds = (factor[i] for i in range(5))
    nudge = library.constant(1 << 30, DType.I64)
    high = ((value << left) * significand + nudge) >> library.constant(31, DType.I64)
    sign = (high >> library.constant(63, DType.I64)) & rounds
    return (high + sign + half) >> right
