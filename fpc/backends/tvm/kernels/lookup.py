"""Functions of one 8-bit value by table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Buffer, Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import Kernel
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule

ENTRIES = 256


@dataclass(frozen=True)
class Lookup(Kernel):
    """Every element replaced by its entry in a table of 256, as stored.

    The table is a parameter, [256] or, where each channel has its own, [channels, 256]; its first
    entry belongs to the least element.
    """

    family: Literal["lookup"] = field(default="lookup", kw_only=True)

    operand: Buffer
    stored: Buffer
    by_channel: bool = False

    @property
    def operands(self) -> tuple[Buffer, ...]:
        """The tensor of arguments."""
        return (self.operand,)

    @property
    def result(self) -> Buffer:
        """The tensor of values, in rows of as many columns."""
        return self.stored

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        x = library.placeholder(self.operand, "x")
        channels = (self.operand.columns,) if self.by_channel else ()
        table = library.parameter(Parameter(self.stored.dtype, (*channels, ENTRIES)), "table")

        def element(row: Expression, column: Expression) -> Expression:
            entry = library.i32(x[row, column]) - self.operand.dtype.minimum
            return table[column, entry] if self.by_channel else table[entry]

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, table, result])
        vectorise_rows(schedule, "result", isa.lanes)
        return schedule
