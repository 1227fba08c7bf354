"""Depthwise convolutions of int16 and float32: channels in vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Buffer, Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.channel_vectors import write_by_vector
from fpc.backends.tvm.kernels.depthwise import DepthwiseTile
from fpc.backends.tvm.kernels.kernel import WindowSums
from fpc.backends.tvm.kernels.requantise import TOTALS
from fpc.backends.tvm.kernels.wide.scaling import Finish, Scaling
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class WideDepthwise(WindowSums):
    """Sums over taps for every position and channel, finished; padding is zero.

    Weights have the activations' type.
    """

    family: Literal["wide_depthwise"] = field(default="wide_depthwise", kw_only=True)

    tile: DepthwiseTile
    sums: DType
    scaling: Scaling

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        window, channels = self.window, self.stored.columns
        x = library.placeholder(self.operand, "x")
        kind = Parameter(self.operand.dtype, (*window.kernel, channels))
        weights = library.parameter(kind, "weights")
        finish = Finish.of(library, self.scaling, channels)
        like = Buffer(self.operand.dtype, 0, channels, channels)
        padded = window.padded(library, self.operand, x, like, 0)
        i, j = window.tap_axes(library)

        def total(line: Expression, position: Expression, channel: Expression) -> Expression:
            image, row = window.row(line, i)
            activation = padded(image, row, window.column(position, j), channel)
            factors = activation, weights[i, j, channel]
            left, right = (library.cast(factor, self.sums) for factor in factors)
            return library.sum(left * right, (i, j))

        lines, positions = window.lines, window.count[1]
        totals = library.compute((lines, positions, channels), total, TOTALS)

        def finished(row: Expression, channel: Expression) -> Expression:
            of_row = totals[row // positions, row % positions, channel]
            value = finish.apply(library, library.cast(of_row, finish.sums), channel)
            return library.cast(value, self.stored.dtype)

        result = library.compute(self.stored.shape, finished, "result")
        schedule = library.schedule([x, weights, *finish.arguments, result])
        self._schedule(schedule, isa)
        return schedule

    def _schedule(self, schedule: Schedule, isa: Isa) -> None:
        position, lane = write_by_vector(schedule, self.window, self.tile, isa.lanes)
        totals = schedule.get_sblock(TOTALS)
        *_, x, lanes, i, j = schedule.get_loops(totals)
        schedule.reorder(i, j, x, lanes)
        # A reduction takes no vectors any more once its start is a block of its own.
        schedule.vectorize(lanes)
        for loop in (x, j, i):
            schedule.unroll(loop)
        schedule.decompose_reduction(totals, i)
        schedule.vectorize(lane)
        schedule.unroll(position)
