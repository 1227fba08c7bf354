"""Depthwise convolutions by dot products over neighbouring columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.column_sums import column_totals, column_weights, sum_columns
from fpc.backends.tvm.kernels.depthwise import DepthwiseTile
from fpc.backends.tvm.kernels.kernel import WindowSums
from fpc.backends.tvm.kernels.requantise import (
    Epilogue,
    narrowing_of,
    start_from_bias,
    sum_end,
)
from fpc.backends.tvm.library import Library, Schedule
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class DepthwiseColumns(WindowSums):
    """Sums over taps for every position and channel, requantised; columns are not dilated."""

    family: Literal["depthwise_columns"] = field(default="depthwise_columns", kw_only=True)

    tile: DepthwiseTile
    saturates: bool = False
    rectifies: bool = False

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        dot, window, channels = isa.column_dot, self.window, self.stored.columns
        assert dot is not None, f"{isa.name} has no dot product over columns"
        x = library.placeholder(self.operand, "x")
        kind = column_weights(dot, window, channels, DType.I8)
        weights = library.parameter(kind, "weights")
        epilogue = Epilogue.of(
            library, self.stored, channels, saturates=self.saturates, rectifies=self.rectifies
        )
        like = Buffer(isa.activation, 0, channels, channels, isa.offset)
        operand = self.operand, x
        totals = column_totals(library, dot, window, operand, weights, like, epilogue.padding)
        schedule = epilogue.schedule(library, x, weights, totals, isa.lanes)
        end = sum_end(saturates=self.saturates, rectifies=self.rectifies)
        narrowing = narrowing_of(isa, end, self.tile.positions, 1)
        sum_columns(library, schedule, dot, window, self.tile, start_from_bias, narrowing)
        return schedule
