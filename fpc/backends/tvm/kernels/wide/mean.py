"""Means over whole feature maps of int16 and float32."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import sum_rows_in_vectors
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
        i = library.reduce_axis(self.count, "i")
        sums = DType.F32 if floating else DType.I64

        def total(image: Expression, channel: Expression) -> Expression:
            return library.sum(library.cast(x[image * self.count + i, channel], sums), (i,))

        totals = library.compute(self.stored.shape, total, "totals")

        def element(image: Expression, channel: Expression) -> Expression:
            if floating:
                return totals[image, channel] * factor[0]
            value = scaled(library, totals[image, channel], factor)
            dtype = self.stored.dtype
            low, high = (library.constant(n, sums) for n in (dtype.minimum, dtype.maximum))
            return library.cast(library.maximum(library.minimum(value, high), low), dtype)

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, factor, result])
        sum_rows_in_vectors(schedule, isa.lanes)
        return schedule
