"""Functions of one 8-bit value by table."""

from __future__ import annotations

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
        known = next((lookup for lookup in isa.lookups if self._fits(lookup)), None)
        if known is not None:
            rows, columns = self.stored.shape
            return library.written(known.function.format(rows=rows, columns=columns))
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
        """Whether rows of unsigned bytes are whole multiples of what the instruction takes."""
        bytes_in_and_out = self.operand.dtype is self.stored.dtype is DType.U8
        whole = self.operand.columns == self.stored.columns
        return (
            bytes_in_and_out
            and whole
            and self.stored.columns % lookup.elements == 0
            and not self.by_channel
        )
