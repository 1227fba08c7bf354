"""Boxes of a tensor, grown or thinned along its axes: slices, pads, nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.index import logical, place
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class Take(OneOperand):
    """Along each of `axes` the result takes the operand's element that a table names.

    The tables, int32, one an axis, are parameters, and so is after them the element ([1], as
    stored) that stands where a table names -1. Along other axes nothing changes.
    """

    family: Literal["take"] = field(default="take", kw_only=True)

    before: tuple[int, ...]
    after: tuple[int, ...]
    axes: tuple[int, ...]

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        x = library.placeholder(self.operand, "x")
        tables = {
            axis: library.parameter(Parameter(DType.I32, (self._extent(axis),)), f"table{axis}")
            for axis in self.axes
        }
        fill = library.parameter(Parameter(self.stored.dtype, (1,)), "fill")

        def element(row: Expression, column: Expression) -> Expression:
            index = list(logical(self.after, row, column))
            inside: list[Expression] = []
            for axis, table in tables.items():
                index[axis] = table[index[axis]]
                inside.append(index[axis] >= 0)
            value = x[place(self.before, index)]
            return library.where(library.every(inside), value, fill[0])

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, *tables.values(), fill, result])
        vectorise_rows(schedule, "result", isa.lanes)
        return schedule

    def _extent(self, axis: int) -> int:
        """Entries of a table: those of the last axis reach over the padding."""
        return self.stored.columns if axis == len(self.after) - 1 else self.after[axis]
