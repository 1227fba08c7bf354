"""Normalisation by neighbouring channels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class LocalResponseNorm(OneOperand):
    """x / (bias + share * sum of the squares of `size` channels)^beta, float32.

    Computed in float64 and rounded last: powers differ from machine to machine by much less than
    a float32 shows.
    """

    family: Literal["local_response_norm"] = field(default="local_response_norm", kw_only=True)

    size: int
    share: float
    beta: float
    bias: float

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, as they are."""
        del isa
        x = library.placeholder(self.operand, "x")
        below, width = (self.size - 1) // 2, self.operand.width
        neighbour = library.reduce_axis(self.size, "neighbour")

        def squares(row: Expression, channel: Expression) -> Expression:
            at = channel + neighbour - below
            inside = library.every((at >= 0, at < width))
            real = library.where(inside, x[row, at], library.constant(0, DType.F32))
            return library.sum(library.float64(real) * library.float64(real), (neighbour,))

        sums = library.compute(self.operand.shape, squares, "sums")

        def element(row: Expression, channel: Expression) -> Expression:
            bias, share, beta = map(library.float64, (self.bias, self.share, self.beta))
            base = bias + share * sums[row, channel]
            return library.cast(
                library.float64(x[row, channel]) / library.power(base, beta), DType.F32
            )

        return library.schedule([x, library.compute(self.stored.shape, element, "result")])
