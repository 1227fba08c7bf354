"""Depthwise convolutions by dot products over neighbouring columns.

The map is copied, a vector of channels at a time, so that the pixels of a line lie one behind the
other; a step of the dot product then reads as many pixels as it sums. What a step reads beyond the
kernel's last column has zero weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fpc.backends.tvm.buffer import Buffer, Parameter, round_up
from fpc.backends.tvm.isa.description import ColumnDot, Isa
from fpc.backends.tvm.kernels.depthwise import DepthwiseTile
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.requantise import TOTALS, Epilogue, start_from_bias
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.library import Expression, Library, Schedule, Tensor
from fpc.ir.constant import Array
from fpc.ir.dtype import DType

_COPIED_ONCE = 8
"""Lines of a map for each that two bands of it both copy, at least."""


@dataclass(frozen=True)
class DepthwiseColumns(OneOperand):
    """Sums over taps for every position and channel, requantised; columns are not dilated."""

    family: Literal["depthwise_columns"] = field(default="depthwise_columns", kw_only=True)

    window: Window
    tile: DepthwiseTile
    saturates: bool = False

    @property
    def products(self) -> int:
        """Those of every tap."""
        return self.stored.rows * self.stored.width * self.window.taps

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        dot, window = isa.column_dot, self.window
        assert dot is not None, f"{isa.name} has no dot product over columns"
        vectors, steps = self.stored.columns // dot.lanes, _steps(window, dot)
        x = library.placeholder(self.operand, "x")
        shape = (vectors, window.kernel[0], steps, dot.lanes, dot.columns)
        weights = library.parameter(Parameter(DType.I8, shape), "weights")
        epilogue = Epilogue.of(library, self.stored, self.stored.columns, saturates=self.saturates)
        padded = self._padded(library, isa, x, epilogue.padding)
        i, j, k = (
            library.reduce_axis(extent, name)
            for extent, name in ((window.kernel[0], "i"), (steps, "j"), (dot.columns, "k"))
        )

        def total(
            line: Expression, position: Expression, vector: Expression, lane: Expression
        ) -> Expression:
            image, row = window.row(line, i)
            column = window.column(position, j * dot.columns + k)
            activation = padded[vector, image, row, column, lane]
            weight = weights[vector, i, j, lane, k]
            return library.sum(library.i32(activation) * library.i32(weight), (i, j, k))

        lines, positions = window.batch * window.count[0], window.count[1]
        totals = library.compute((lines, positions, vectors, dot.lanes), total, TOTALS)
        schedule = epilogue.schedule(library, x, weights, totals, isa.lanes)
        self._schedule(library, dot, schedule)
        return schedule

    def _padded(self, library: Library, isa: Isa, x: Tensor, fill: Expression) -> Tensor:
        """The map as [vector of channels, image, row, column, lane]."""
        dot, window = isa.column_dot, self.window
        assert dot is not None, f"{isa.name} has no dot product over columns"
        spare = _steps(window, dot) * dot.columns - window.kernel[1]
        rows, columns = window.reach
        touched = rows, columns + spare
        channels = self.stored.columns
        like = Buffer(isa.activation, 0, channels, channels, isa.offset)
        element = window.reading(library, self.operand, x, like, fill, touched)
        shape = (channels // dot.lanes, window.batch, *touched, dot.lanes)

        def of_vector(vector: Expression, *place: Expression) -> Expression:
            image, row, column, lane = place
            return element(image, row, column, vector * dot.lanes + lane)

        return library.compute(shape, of_vector, "padded")

    def _schedule(self, library: Library, dot: ColumnDot, schedule: Schedule) -> None:
        padded, totals, result = map(schedule.get_sblock, ("padded", TOTALS, "result"))
        row, channel = schedule.get_loops(result)
        window = self.window
        bands, blocks = window.batch * _bands(window), window.count[1] // self.tile.positions
        band, line, block, position = schedule.split(
            row, [bands, None, blocks, self.tile.positions]
        )
        vector, lane = schedule.split(channel, [None, dot.lanes])
        schedule.reorder(band, vector, line, block, position, lane)
        schedule.compute_at(totals, block, preserve_unit_loops=True)
        schedule.compute_at(padded, vector, preserve_unit_loops=True)
        schedule.vectorize(schedule.get_loops(padded)[-1])
        *_, x, _, lanes, i, j, k = schedule.get_loops(totals)
        schedule.reorder(i, j, x, lanes, k)
        start = start_from_bias(schedule, totals, i)
        *_, start_x, _, start_lanes = schedule.get_loops(start)
        schedule.vectorize(start_lanes)
        library.register_intrinsic(dot.intrinsic)
        schedule.tensorize(lanes, dot.intrinsic.name)
        for loop in (start_x, x, j, i, position):
            schedule.unroll(loop)
        schedule.vectorize(lane)


def pack_columns(weights: Array, channels: int, dot: ColumnDot) -> Array:
    """Weights [channel, row, column] as [vector, row, step, lane, column], zeros added."""
    count, rows, columns = weights.shape
    padded = np.zeros((channels, rows, round_up(columns, dot.columns)), weights.dtype)
    padded[:count, :, :columns] = weights
    split = padded.reshape(-1, dot.lanes, rows, padded.shape[2] // dot.columns, dot.columns)
    return np.ascontiguousarray(split.transpose(0, 2, 3, 1, 4))


def _bands(window: Window) -> int:
    """Into how many bands of lines a map is cut, each padded on its own: one a thread of two.

    Threads that share lines would write into the same lines of the cache.
    """
    copied, stride, count = window.reach[0], window.strides[0], window.count[0]
    twice = copied - stride * count
    return 2 if count % 2 == 0 and twice * _COPIED_ONCE <= copied else 1


def _steps(window: Window, dot: ColumnDot) -> int:
    """How many steps the dot product takes over a line of the kernel."""
    return round_up(window.kernel[1], dot.columns) // dot.columns
