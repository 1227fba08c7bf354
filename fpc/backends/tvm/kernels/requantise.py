"""The end of every kernel that sums products: bias, scale, clamp, rounding, zero point.

The arithmetic is that of the numerics `tflite-xnnpack`: the int32 sum is rounded to float32, scaled
in float32, clamped, and rounded to the nearest integer, halves to even.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpc.backends.tvm.buffer import Buffer, Parameter, round_up
from fpc.backends.tvm.library import Expression, Library, Tensor
from fpc.interp.integer.rescale import activation_range
from fpc.interp.numerics import Numerics
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.op import Activation
from fpc.ir.types import TensorType

LIMITS = Parameter(DType.I32, (4,))
"""The result's zero point, its least and greatest integer less the zero point, and what padding of
the operand holds; zero points as stored."""


@dataclass(frozen=True)
class Epilogue:
    """Parameters of a requantisation as expressions read them."""

    bias: Tensor
    scale: Tensor
    limits: Tensor

    @staticmethod
    def parameters(channels: int) -> tuple[Parameter, ...]:
        """Bias, scale and limits."""
        return Parameter(DType.I32, (channels,)), Parameter(DType.F32, (channels,)), LIMITS

    @classmethod
    def placeholders(cls, library: Library, channels: int) -> Epilogue:
        """The parameters as arguments of a function."""
        names = ("bias", "scale", "limits")
        return cls(*map(library.parameter, cls.parameters(channels), names))

    @property
    def arguments(self) -> tuple[Tensor, ...]:
        """The arguments in order."""
        return self.bias, self.scale, self.limits

    def apply(
        self, library: Library, total: Expression, channel: Expression, result: Buffer
    ) -> Expression:
        """The stored result for a sum of products."""
        real = library.cast(total + self.bias[channel], DType.F32) * self.scale[channel]
        low, high = (library.cast(self.limits[i], DType.F32) for i in (1, 2))
        clamped = library.maximum(library.minimum(real, high), low)
        return library.cast(library.nearest(clamped) + self.limits[0], result.dtype)


def limits_of(
    result: TensorType, activation: Activation, stored: Buffer, padding: int = 0
) -> Array:
    """The parameter `LIMITS`; `padding` is what padding of the operand holds."""
    span = activation_range(result, activation, Numerics.TFLITE_XNNPACK)
    zero_point = result.quantisation.zero_point
    values = (
        zero_point + stored.offset,
        span.minimum - zero_point,
        span.maximum - zero_point,
        padding,
    )
    return np.array(values, np.int32)


def padded_channels(values: Array, lanes: int) -> Array:
    """One value a channel, zeros added to whole vectors."""
    return np.pad(values, (0, round_up(values.size, lanes) - values.size))
