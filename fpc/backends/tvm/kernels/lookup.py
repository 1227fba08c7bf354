"""Functions of one 8-bit value by table."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import ByteLookup, Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType

ENTRIES = 256


@dataclass(frozen=True)
class Lookup(OneOperand):
    """Every element replaced by its entry in a table of 256, as stored.

    The table is a parameter, [1, 256] or, where each channel has its own, [channels, 256]; its
    first entry belongs to the least element.
    """

    family: Literal["lookup"] = field(default="lookup", kw_only=True)

    by_channel: bool = False

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        if isa.lookup is not None and self._fits(isa.lookup):
            return library.written(isa.lookup.function(*self.stored.shape))
        x = library.placeholder(self.operand, "x")
        tables = self.operand.columns if self.by_channel else 1
        table = library.parameter(Parameter(self.stored.dtype, (tables, ENTRIES)), "table")

        def element(row: Expression, column: Expression) -> Expression:
            entry = library.i32(x[row, column]) - self.operand.dtype.minimum
            return table[column if self.by_channel else 0, entry]

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, table, result])
        vectorise_rows(schedule, "result", isa.lanes)
        return schedule

    def _fits(self, lookup: ByteLookup) -> bool:
        """Whether one table serves all of at least as many bytes as the instruction takes."""
        return (
            self.operand.dtype is self.stored.dtype is DType.U8
            and self.operand.columns == self.stored.columns
            and math.prod(self.stored.shape) >= lookup.elements
            and not self.by_channel
        )
