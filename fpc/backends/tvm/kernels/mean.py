"""Means over whole feature maps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.row_sums import sum_in_vectors, sums_of_rows
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType

SCALE = Parameter(DType.F32, (2,))
"""What a sum is multiplied by, and what is added then."""


@dataclass(frozen=True)
class Mean(OneOperand):
    """The mean of `count` neighbouring rows, scaled and rounded, halves to even."""

    family: Literal["mean"] = field(default="mean", kw_only=True)

    count: int

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        x, scale = library.placeholder(self.operand, "x"), library.parameter(SCALE, "scale")
        least, greatest = (
            library.constant(bound, DType.F32) for bound in (DType.I8.minimum, DType.I8.maximum)
        )

        def integer(row: Expression, channel: Expression) -> Expression:
            return library.integer_at(self.operand, x, row, channel)

        totals = sums_of_rows(library, integer, self.stored.shape, self.count)

        def element(image: Expression, channel: Expression) -> Expression:
            scaled = library.product(library.cast(totals[image, channel], DType.F32), scale[0])
            real = scaled + scale[1]
            clamped = library.clamped(real, least, greatest)
            return library.cast(library.nearest(clamped) + self.stored.offset, self.stored.dtype)

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, scale, result])
        sum_in_vectors(schedule, self.count, isa.lanes)
        return schedule
