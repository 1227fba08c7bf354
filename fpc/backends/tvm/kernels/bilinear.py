"""Feature maps resized by bilinear interpolation in fixed point."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType

SHARE_BITS = 11


@dataclass(frozen=True)
class Bilinear(OneOperand):
    """Four neighbours by their shares, rounded once, halves up.

    Parameters, for rows then for columns, are int32[3, size]: the lower neighbour, the upper one,
    and the upper one's share in 2**-11.
    """

    family: Literal["bilinear"] = field(default="bilinear", kw_only=True)

    extent: tuple[int, int]
    size: tuple[int, int]

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        x = library.placeholder(self.operand, "x")
        (height, width), (rows, columns) = self.extent, self.size
        down, across = (
            library.parameter(Parameter(DType.I32, (3, size)), name)
            for size, name in ((rows, "down"), (columns, "across"))
        )
        one = 1 << SHARE_BITS
        half = 1 << (2 * SHARE_BITS - 1)

        def element(row: Expression, channel: Expression) -> Expression:
            image, i, j = row // (rows * columns), row // columns % rows, row % columns

            def mixed(side: int) -> Expression:
                start = (image * height + down[side, i]) * width
                low, high = (library.i32(x[start + across[end, j], channel]) for end in (0, 1))
                return low * (one - across[2, j]) + high * across[2, j]

            total = mixed(0) * (one - down[2, i]) + mixed(1) * down[2, i]
            return library.cast((total + half) >> (2 * SHARE_BITS), self.stored.dtype)

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, down, across, result])
        vectorise_rows(schedule, "result", isa.lanes)
        return schedule
