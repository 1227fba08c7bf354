"""Tensors with their axes in another order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.index import logical, place
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule


@dataclass(frozen=True)
class Transpose(OneOperand):
    """Axis i of the result is axis permutation[i] of an operand of `shape`."""

    family: Literal["transpose"] = field(default="transpose", kw_only=True)

    shape: tuple[int, ...]
    permutation: tuple[int, ...]

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        x = library.placeholder(self.operand, "x")
        after = [self.shape[axis] for axis in self.permutation]
        back = [self.permutation.index(axis) for axis in range(len(after))]

        def element(row: Expression, column: Expression) -> Expression:
            index = logical(after, row, column)
            value = x[place(self.shape, [index[axis] for axis in back])]
            if self.stored.columns == self.stored.width:
                return value
            inside = column < self.stored.width
            return library.where(inside, value, library.constant(0, self.stored.dtype))

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, result])
        vectorise_rows(schedule, "result", isa.lanes)
        return schedule
