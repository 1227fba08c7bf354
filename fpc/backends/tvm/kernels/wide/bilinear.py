"""Feature maps of int16 and float32 resized by bilinear interpolation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType

WIDE_SHARE_BITS = 10


@dataclass(frozen=True)
class WideBilinear(OneOperand):
    """Four neighbours by their shares; integers are rounded once, halves away from zero.

    Parameters, for rows and then for columns, are int32[2, size], the lower neighbour and the upper
    one, and the upper one's share: float32[size], or int64[size] in 2**-10.
    """

    family: Literal["wide_bilinear"] = field(default="wide_bilinear", kw_only=True)

    extent: tuple[int, int]
    size: tuple[int, int]

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        floating = self.operand.dtype is DType.F32
        sums = DType.F32 if floating else DType.I64
        one = library.constant(1 if floating else 1 << WIDE_SHARE_BITS, sums)
        x = library.placeholder(self.operand, "x")
        (height, width), (rows, columns) = self.extent, self.size
        down, across = (
            library.parameter(Parameter(DType.I32, (2, size)), name)
            for size, name in ((rows, "down"), (columns, "across"))
        )
        share_down, share_across = (
            library.parameter(Parameter(sums, (size,)), name)
            for size, name in ((rows, "share_down"), (columns, "share_across"))
        )

        def element(row: Expression, channel: Expression) -> Expression:
            image, i, j = row // (rows * columns), row // columns % rows, row % columns

            def mixed(side: int) -> Expression:
                start = (image * height + down[side, i]) * width
                low, high = (
                    library.cast(x[start + across[end, j], channel], sums) for end in (0, 1)
                )
                return low * (one - share_across[j]) + high * share_across[j]

            total = mixed(0) * (one - share_down[i]) + mixed(1) * share_down[i]
            return total if floating else self._rounded(library, total)

        result = library.compute(self.stored.shape, element, "result")
        schedule = library.schedule([x, down, share_down, across, share_across, result])
        vectorise_rows(schedule, "result", isa.lanes * DType.I32.bits // sums.bits)
        return schedule

    def _rounded(self, library: Library, total: Expression) -> Expression:
        bits = library.constant(2 * WIDE_SHARE_BITS, DType.I64)
        half = library.constant(1 << (2 * WIDE_SHARE_BITS - 1), DType.I64)
        none = library.constant(0, DType.I64)
        steps = (library.maximum(total, -total) + half) >> bits
        return library.cast(library.choose(total > none, steps, -steps), self.stored.dtype)
