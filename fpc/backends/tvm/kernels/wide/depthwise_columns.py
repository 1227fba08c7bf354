"""Depthwise convolutions of int16 by dot products over neighbouring columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.column_sums import column_totals, column_weights, sum_columns
from fpc.backends.tvm.kernels.depthwise import DepthwiseTile
from fpc.backends.tvm.kernels.kernel import WindowSums
from fpc.backends.tvm.kernels.loops import start_from_zero
from fpc.backends.tvm.kernels.wide.scaling import Finish, Scaling
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class WideDepthwiseColumns(WindowSums):
    """Sums over taps in 32 bits, finished; padding is zero, and columns are not dilated."""

    family: Literal["wide_depthwise_columns"] = field(
        default="wide_depthwise_columns", kw_only=True
    )

    tile: DepthwiseTile
    scaling: Scaling

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        dot, window, channels = isa.column_dot_int16, self.window, self.stored.columns
        assert dot is not None, f"{isa.name} has no dot product of int16 over columns"
        x = library.placeholder(self.operand, "x")
        kind = column_weights(dot, window, channels, DType.I16)
        weights = library.parameter(kind, "weights")
        finish = Finish.of(library, self.scaling, channels)
        like = Buffer(DType.I16, 0, channels, channels)
        totals = column_totals(library, dot, window, (self.operand, x), weights, like, 0)
        positions = window.count[1]

        def finished(row: Expression, channel: Expression) -> Expression:
            vector, lane = channel // dot.lanes, channel % dot.lanes
            total = totals[row // positions, vector, row % positions, lane]
            value = finish.apply(library, library.cast(total, finish.sums), channel)
            return library.cast(value, self.stored.dtype)

        result = library.compute(self.stored.shape, finished, "result")
        schedule = library.schedule([x, weights, *finish.arguments, result])
        sum_columns(library, schedule, dot, window, self.tile, start_from_zero)
        return schedule
