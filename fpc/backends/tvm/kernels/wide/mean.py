"""Means over whole feature maps of int16 and float32."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.row_sums import sum_in_vectors, sums_of_rows
from fpc.backends.tvm.kernels.wide.fixed_point import FACTOR, scaled
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class WideMean(OneOperand):
    """The sum of `count` neighbouring rows times a factor.

    The parameter is a fixed-point `FACTOR`, the result saturated, or float32[1].
    """

    family: Literal["wide_mean"] = field(default="wide_mean", kw_only=True)

    count: int

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        floating = self.operand.dtype is DType.F32
        x = library.placeholder(self.operand, "x")
        kind = Parameter(DType.F32, (1,)) if floating else FACTOR
        factor = library.parameter(kind, "factor")
        sums = DType.F32 if floating else DType.I64

        def value(row: Expression, channel: Expression) -> Expression:
            return library.cast(x[row, channel], sums)

        totals = sums_of_rows(library, value, self.stored.shape, self.count)

        def element(image: Expression, channel: Expression) -> Expression:
            if floating:
                return totals[image, channel] * factor[0]
            value = scaled(library, totals[image, channel], factor)
            dtype = self.stored.dtype
            low, high = (library.constant(n, sums) for n in (dtype.minimum, dtype.maximum))
            return library.cast(library.clamped(value, low, high), dtype)

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, factor, result])
        sum_in_vectors(schedule, self.count, isa.lanes)
        return schedule
