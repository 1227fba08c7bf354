"""What the kernel of a convolution of int16 or float32 adds to its result."""

from __future__ import annotations

from dataclasses import dataclass

from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.kernels.wide.elementwise import (
    FLOAT_LIMITS,
    INT16_SUM,
    limited,
    sum_of_int16,
)
from fpc.backends.tvm.library import Expression, Library, Tensor
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class WideResidual:
    """A tensor that is added to finished sums.

    `numbers` are the parameters of the addition, whose first operand the sums are: `INT16_SUM` or
    `FLOAT_LIMITS`.
    """

    x: Tensor
    numbers: tuple[Tensor, ...]
    is_float: bool

    @classmethod
    def of(cls, library: Library, operand: Buffer) -> WideResidual:
        """A stored tensor and the numbers, as arguments of a function."""
        is_float = operand.dtype is DType.F32
        numbers = tuple(
            library.parameter(parameter, f"of_sum{index}")
            for index, parameter in enumerate(FLOAT_LIMITS if is_float else INT16_SUM)
        )
        return cls(library.placeholder(operand, "residual"), numbers, is_float)

    def added(self, library: Library, value: Expression, *place: Expression) -> Expression:
        """The limited sum of a finished value and of the tensor at a place."""
        if self.is_float:
            return limited(library, value + self.x[place], self.numbers[0])
        integers = library.i32(value), library.i32(self.x[place])
        return sum_of_int16(library, *integers, self.numbers)
