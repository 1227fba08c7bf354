"""What the kernel of a convolution adds to its result."""

from __future__ import annotations

from dataclasses import dataclass

from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.kernels.elementwise import SUM, scaled_sum
from fpc.backends.tvm.library import Expression, Library, Tensor


@dataclass(frozen=True)
class Residual:
    """A tensor that is added to requantised sums.

    `numbers` are the parameter `SUM` of the addition, whose first operand has no zero point.
    """

    x: Tensor
    numbers: Tensor

    @classmethod
    def of(cls, library: Library, operand: Buffer) -> Residual:
        """A stored tensor and the numbers, as arguments of a function."""
        [numbers] = SUM
        return cls(library.placeholder(operand, "residual"), library.parameter(numbers, "numbers"))

    @property
    def limits(self) -> tuple[Expression, Expression, Expression]:
        """The zero point of the sum as stored, its least and greatest integer less that."""
        least, greatest, zero_point = (self.numbers[i] for i in range(4, 7))
        return zero_point, least, greatest

    def added(self, library: Library, steps: Expression, *place: Expression) -> Expression:
        """The sum of int32 `steps` and of the tensor at a place, less the zero point."""
        return scaled_sum(steps, library.i32(self.x[place]), self.numbers)
