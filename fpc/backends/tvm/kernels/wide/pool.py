"""Means of windows of float32."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.loops import reduce_in_vectors, vectorise_rows
from fpc.backends.tvm.kernels.pool import Pool
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class FloatMeanPool(Pool):
    """The sum of every window times its share, the parameter, float32[rows, columns]."""

    family: Literal["float_mean_pool"] = field(default="float_mean_pool", kw_only=True)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        window, stored = self.window, self.stored
        x = library.placeholder(self.operand, "x")
        shares = library.parameter(Parameter(DType.F32, window.count), "shares")
        seen = self.seen(library, x, 0)

        def total(row: Expression, channel: Expression) -> Expression:
            return library.sum(seen.element(row, channel), seen.taps)

        totals = library.compute(stored.shape, total, "totals")

        def mean(row: Expression, channel: Expression) -> Expression:
            line, position = row // window.count[1], row % window.count[1]
            return totals[row, channel] * shares[line % window.count[0], position]

        result = library.compute(stored.shape, mean, "result")
        schedule = library.schedule([x, shares, result])
        reduce_in_vectors(schedule, "totals", isa.lanes)
        self.copy_in_vectors(schedule, isa)
        vectorise_rows(schedule, "result", isa.lanes)
        return schedule
