"""Tensors joined along an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.index import logical, place
from fpc.backends.tvm.kernels.kernel import Kernel
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule


@dataclass(frozen=True)
class Concat(Kernel):
    """Operands of `shapes`, one after the other along `axis`."""

    family: Literal["concat"] = field(default="concat", kw_only=True)

    parts: tuple[Buffer, ...]
    stored: Buffer
    shapes: tuple[tuple[int, ...], ...]
    axis: int

    @property
    def operands(self) -> tuple[Buffer, ...]:
        """The tensors to be joined."""
        return self.parts

    @property
    def result(self) -> Buffer:
        """The whole."""
        return self.stored

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        xs = [library.placeholder(part, f"x{index}") for index, part in enumerate(self.parts)]
        extents = [shape[self.axis] for shape in self.shapes]
        whole = list(self.shapes[0])
        whole[self.axis] = sum(extents)
        of_columns = self.axis == len(whole) - 1
        step = math.gcd(*extents) if of_columns else 1

        def element(row: Expression, column: Expression) -> Expression:
            index = list(logical(whole, row, column))
            at = index[self.axis]
            value, end = library.constant(0, self.stored.dtype), whole[self.axis]
            for x, part, shape, extent in reversed(
                list(zip(xs, self.parts, self.shapes, extents, strict=True))
            ):
                index[self.axis] = at - (end - extent)
                source, across = place(shape, index)
                entry = x[source, across + part.first]
                value = library.where(at // step < end // step, entry, value)
                end -= extent
            return value

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([*xs, result])
        vectorise_rows(schedule, "result", isa.lanes, *(extents if of_columns else ()))
        return schedule
