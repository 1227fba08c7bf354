"""Reals to integers and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class Quantize(OneOperand):
    """Reals times a factor, clamped, rounded, halves to even; NaN counts as 0.

    Parameters are the factor, float32[1], and int32[3]: least and greatest integer less the zero
    point, and the zero point as stored.
    """

    family: Literal["quantize"] = field(default="quantize", kw_only=True)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        x = library.placeholder(self.operand, "x")
        factor = library.parameter(Parameter(DType.F32, (1,)), "factor")
        integers = library.parameter(Parameter(DType.I32, (3,)), "integers")
        low, high = (library.cast(integers[i], DType.F32) for i in (0, 1))
        pads = self.stored.columns > self.operand.columns

        def element(row: Expression, column: Expression) -> Expression:
            real = x[row, column] * factor[0]
            real = library.choose(real.equal(real), real, library.constant(0, DType.F32))
            steps = library.nearest(library.clamped(real, low, high))
            value = library.cast(steps + integers[2], self.stored.dtype)
            if not pads:
                return value
            inside = column < self.operand.columns
            return library.where(inside, value, library.constant(0, self.stored.dtype))

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, factor, integers, result])
        vectorise_rows(schedule, "result", isa.lanes)
        return schedule


@dataclass(frozen=True)
class Dequantize(OneOperand):
    """Integers less the zero point (int32[1], as stored) times the scale (float32[1])."""

    family: Literal["dequantize"] = field(default="dequantize", kw_only=True)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        x = library.placeholder(self.operand, "x")
        zero_point = library.parameter(Parameter(DType.I32, (1,)), "zero_point")
        scale = library.parameter(Parameter(DType.F32, (1,)), "scale")

        def element(row: Expression, column: Expression) -> Expression:
            return library.cast(library.i32(x[row, column]) - zero_point[0], DType.F32) * scale[0]

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, zero_point, scale, result])
        vectorise_rows(schedule, "result", isa.lanes)
        return schedule
