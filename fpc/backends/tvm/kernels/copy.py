"""Tensors stored in another way: with other padding, another offset, other rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule


@dataclass(frozen=True)
class Copy(OneOperand):
    """The same integers in row-major order, stored as another buffer of equally many elements."""

    family: Literal["copy"] = field(default="copy", kw_only=True)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        x, source, target = library.placeholder(self.operand, "x"), self.operand, self.stored

        def element(row: Expression, column: Expression) -> Expression:
            at, across = row, column
            if source.width != target.width:
                position = row * target.width + column
                at, across = position // source.width, position % source.width
            value = x[at, across + source.first]
            if source.offset != target.offset:
                integer = library.i32(value) + (target.offset - source.offset)
                value = library.cast(integer, target.dtype)
            if target.columns == target.width:
                return value
            return library.where(column < target.width, value, library.constant(0, target.dtype))

        result = library.compute(target.shape, element, "result")
        schedule = library.schedule([x, result])
        vectorise_rows(schedule, "result", isa.lanes, target.width)
        return schedule
