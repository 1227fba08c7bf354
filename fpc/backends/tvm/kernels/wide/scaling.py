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
    """Nothing: the sum is the result, a float32."""
    FIXED_POINT = "fixed-point"
    """An integer below 2**15; then it is shifted right, halves up."""
    FIXED_POINT_IN_HALVES = "fixed-point-in-halves"
    """The same in 32 bits, the upper half of the sum and the lower one each by itself.

    A sum is 2**16 h + l with -2**15 <= l < 2**15, so its product with m is 2**16 h m + l m. What
    is shifted out of l m + a cannot be told from what is shifted out of the whole, where a is the
    lower half of an addend: (2**16 (h m + b) + l m + a) >> s is (h m + b + ((l m + a) >> 16)) >>
    (s - 16).
    """
    REAL = "real"
    """A float64; then it is rounded, halves away from zero."""

    @property
    def sums(self) -> DType:
        """The type of a sum that is to be scaled."""
        match self:
            case Scaling.NONE:
                return DType.F32
            case Scaling.FIXED_POINT_IN_HALVES:
                return DType.I32
            case _:
                return DType.I64


@dataclass(frozen=True)
class Finish:
    """How a sum becomes a result.

    Parameters: limits, [2], of the sums' type, the least and the greatest result; then biases,
    [channels], of the sums' type, and for reals the float64 factors as their bits, int64[channels].
    Fixed points have multipliers, int32[channels], and int64[2, channels]: what is added to the
    product, which is the bias's own and half a step, and the shift. In halves, multipliers are
    int16, and the others int32[3, channels]: the lower 16 bits of what is added, those above, and
    16 bits less of a shift.
    """

    scaling: Scaling
    limits: Tensor
    numbers: tuple[Tensor, ...]

    @classmethod
    def of(cls, library: Library, scaling: Scaling, channels: int) -> Finish:
        """The finish of so many channels, its parameters as arguments of a function."""
        biases = Parameter(scaling.sums, (channels,))
        numbers = {
            Scaling.NONE: (biases,),
            Scaling.FIXED_POINT: (
                Parameter(DType.I32, (channels,)),
                Parameter(DType.I64, (2, channels)),
            ),
            Scaling.FIXED_POINT_IN_HALVES: (
                Parameter(DType.I16, (channels,)),
                Parameter(DType.I32, (3, channels)),
            ),
            Scaling.REAL: (biases, Parameter(DType.I64, (channels,))),
        }[scaling]
        limits = library.parameter(Parameter(scaling.sums, (2,)), "limits")
        given = [library.parameter(p, f"number{index}") for index, p in enumerate(numbers)]
        return cls(scaling, limits, tuple(given))

    @property
    def sums(self) -> DType:
        """The type of a sum that is to be finished."""
        return self.scaling.sums

    @property
    def arguments(self) -> tuple[Tensor, ...]:
        """The arguments in order."""
        return self.limits, *self.numbers

    def apply(self, library: Library, total: Expression, channel: Expression) -> Expression:
        """The result for a sum without its bias, which has the type `sums`, in some wider type."""
        low, high = (self.limits[index] for index in (0, 1))
        match self.scaling:
            case Scaling.NONE:
                [bias] = self.numbers
                return library.clamped(total + bias[channel], low, high)
            case Scaling.FIXED_POINT:
                multiplier, shift = self.numbers
                product = total * library.cast(multiplier[channel], DType.I64)
                scaled = (product + shift[0, channel]) >> shift[1, channel]
                return library.clamped(scaled, low, high)
            case Scaling.FIXED_POINT_IN_HALVES:
                multiplier, numbers = self.numbers
                # LLVM takes products of halves for dot products where one half is known to be 0.
                factor = library.i32(multiplier[channel]) & DType.I16.maximum
                lower = library.i32(library.cast(total, DType.I16))
                carry = (lower * factor + numbers[0, channel]) >> 16
                upper = ((total + (1 << 15)) >> 16) * factor
                scaled = (upper + carry + numbers[1, channel]) >> numbers[2, channel]
                return library.clamped(scaled, low, high)
            case Scaling.REAL:
                bias, factor = self.numbers
                real = library.float64(total + bias[channel])
                real = real * library.float64_of_bits(factor[channel])
                bounds = (library.float64(bound) for bound in (low, high))
                # The clamp also keeps LLVM from fusing the product into the subtraction.
                return library.rounded_away(library.clamped(real, *bounds))
