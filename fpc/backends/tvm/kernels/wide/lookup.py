"""Functions of one integer by table, of int16 too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule


@dataclass(frozen=True)
class WideLookup(OneOperand):
    """Every element replaced by its entry in a table of all integers, as stored: the parameter.

    The first entry belongs to the least element.
    """

    family: Literal["wide_lookup"] = field(default="wide_lookup", kw_only=True)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        x = library.placeholder(self.operand, "x")
        table = library.parameter(
            Parameter(self.stored.dtype, (1 << self.operand.dtype.bits,)), "table"
        )

        def element(row: Expression, column: Expression) -> Expression:
            return table[library.i32(x[row, column]) - self.operand.dtype.minimum]

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, table, result])
        vectorise_rows(schedule, "result", isa.lanes)
        return schedule
