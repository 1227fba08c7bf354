"""The end of every wide kernel that sums products: bias, scale, clamp.

The arithmetic of int16 is that of TensorFlow Lite's 64-bit accumulators: a factor of 16 significant
bits and one shift, halves up; dense layers multiply by a float64 and round halves away from zero.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.library import Expression, Library, Tensor
from fpc.ir.dtype import DType


class Scaling(enum.Enum):
    """What a sum is multiplied by."""

    NONE = "none"
    """Nothing: the sum is the result."""
    FIXED_POINT = "fixed-point"
    """An integer below 2**15; then it is shifted right, halves up."""
    REAL = "real"
    """A float64; then it is rounded, halves away from zero."""


@dataclass(frozen=True)
class Finish:
    """How a sum becomes a result.

    Parameters: the bias, of the sums' type, [channels]; limits, [2], the result's type widened to
    the sums'; for fixed points multipliers, int32[channels], and int64[2, channels], the addend
    that rounds and the shift; for reals the float64 factors as their bits, int64[channels].
    """

    scaling: Scaling
    sums: DType
    result: DType
    bias: Tensor
    limits: Tensor
    factors: tuple[Tensor, ...]

    @classmethod
    def of(
        cls, library: Library, scaling: Scaling, sums: DType, result: DType, channels: int
    ) -> Finish:
        """The finish of so many channels, its parameters as arguments of a function."""
        bias = library.parameter(Parameter(sums, (channels,)), "bias")
        limits = library.parameter(Parameter(sums, (2,)), "limits")
        factors = {
            Scaling.NONE: (),
            Scaling.FIXED_POINT: (
                Parameter(DType.I32, (channels,)),
                Parameter(DType.I64, (2, channels)),
            ),
            Scaling.REAL: (Parameter(DType.I64, (channels,)),),
        }[scaling]
        given = [library.parameter(p, f"factor{index}") for index, p in enumerate(factors)]
        return cls(scaling, sums, result, bias, limits, tuple(given))

    @property
    def arguments(self) -> tuple[Tensor, ...]:
        """The arguments in order."""
        return self.bias, self.limits, *self.factors

    def apply(self, library: Library, total: Expression, channel: Expression) -> Expression:
        """The result for a sum."""
        value = total + self.bias[channel]
        match self.scaling:
            case Scaling.NONE:
                return self._clamped(library, value, self.sums)
            case Scaling.FIXED_POINT:
                multiplier, shift = self.factors
                wide = library.cast(value, DType.I64) * library.cast(multiplier[channel], DType.I64)
                scaled = (wide + shift[0, channel]) >> shift[1, channel]
                return library.cast(self._clamped(library, scaled, DType.I64), self.result)
            case Scaling.REAL:
                factor = library.float64_of_bits(self.factors[0][channel])
                low, high = (library.float64(self.limits[i]) for i in (0, 1))
                real = library.float64(value) * factor
                # The clamp also keeps LLVM from fusing the product into the subtraction.
                steps = library.rounded_away(library.maximum(library.minimum(real, high), low))
                return library.cast(steps, self.result)

    def _clamped(self, library: Library, value: Expression, dtype: DType) -> Expression:
        low, high = (library.cast(self.limits[i], dtype) for i in (0, 1))
        return library.maximum(library.minimum(value, high), low)
