"""Softmax of quantised rows, by a table of exponentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType

ENTRIES = 256


@dataclass(frozen=True)
class Softmax(OneOperand):
    """Exponentials of what every element is below its row's greatest, in shares of their sum.

    Exponentials are added in float32 from the first column to the last. Parameters are the table,
    float32[256], the result's scale, float32[1], and int32[3]: least and greatest integer less the
    zero point, and the zero point as stored.
    """

    family: Literal["softmax"] = field(default="softmax", kw_only=True)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, as they are: sums in order take no vectors."""
        del isa
        x = library.placeholder(self.operand, "x")
        table = library.parameter(Parameter(DType.F32, (ENTRIES,)), "table")
        scale = library.parameter(Parameter(DType.F32, (1,)), "scale")
        integers = library.parameter(Parameter(DType.I32, (3,)), "integers")
        low, high = (library.cast(integers[i], DType.F32) for i in (0, 1))
        i, j = (library.reduce_axis(self.operand.width, name) for name in ("i", "j"))

        def greatest_of(row: Expression) -> Expression:
            return library.greatest(library.i32(x[row, i]), (i,))

        greatest = library.compute((self.operand.rows,), greatest_of, "greatest")

        def exponential(row: Expression, column: Expression) -> Expression:
            return table[greatest[row] - library.i32(x[row, column])]

        def total_of(row: Expression) -> Expression:
            return library.sum(exponential(row, j), (j,))

        total = library.compute((self.operand.rows,), total_of, "total")

        def share(row: Expression, column: Expression) -> Expression:
            unit = library.constant(1.0, DType.F32) / (total[row] * scale[0])
            steps = library.clamped(exponential(row, column) * unit, low, high)
            value = library.cast(library.nearest(steps) + integers[2], self.stored.dtype)
            inside = column < self.operand.width
            return library.where(inside, value, library.constant(0, self.stored.dtype))

        result = library.compute(self.stored.shape, share, "result")
        return library.schedule([x, table, scale, integers, result])
