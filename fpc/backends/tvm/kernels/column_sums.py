"""Sums of depthwise filters by dot products over neighbouring columns.

The map is copied, a vector of channels at a time, so that the pixels of a line lie one behind the
other; a step of the dot product then reads as many pixels as it sums. What a step reads beyond the
kernel's last column has zero weights. Columns are not dilated.
"""

from __future__ import annotations

import numpy as np

from fpc.backends.tvm.buffer import Buffer, Parameter, round_up
from fpc.backends.tvm.isa.description import ColumnDot, Narrowing
from fpc.backends.tvm.kernels.channel_vectors import write_by_vector
from fpc.backends.tvm.kernels.depthwise import DepthwiseTile
from fpc.backends.tvm.kernels.loops import Start
from fpc.backends.tvm.kernels.requantise import TOTALS, narrow_in_tiles
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.library import Expression, Library, Schedule, Tensor
from fpc.ir.constant import Array
from fpc.ir.dtype import DType


def column_weights(dot: ColumnDot, window: Window, channels: int, dtype: DType) -> Parameter:
    """The weights as `pack_columns` lays them out."""
    rows, steps = window.kernel[0], _steps(dot, window)
    return Parameter(dtype, (channels // dot.lanes, rows, steps, dot.lanes, dot.columns))


def pack_columns(weights: Array, channels: int, dot: ColumnDot) -> Array:
    """Weights [channel, row, column] as [vector, row, step, lane, column], zeros added."""
    count, rows, columns = weights.shape
    padded = np.zeros((channels, rows, round_up(columns, dot.columns)), weights.dtype)
    padded[:count, :, :columns] = weights
    split = padded.reshape(-1, dot.lanes, rows, padded.shape[2] // dot.columns, dot.columns)
    return np.ascontiguousarray(split.transpose(0, 2, 3, 1, 4))


def column_totals(
    library: Library,
    dot: ColumnDot,
    window: Window,
    operand: tuple[Buffer, Tensor],
    weights: Tensor,
    like: Buffer,
    fill: Expression,
) -> Tensor:
    """The sums of every position as [line, vector of channels, position, lane].

    The copy of the operand has the storage of `like`, and `fill` for padding.
    """
    steps = _steps(dot, window)
    rows, columns = window.reach
    touched = rows, columns + steps * dot.columns - window.kernel[1]
    pixel = window.reading(library, *operand, like, fill, touched)

    def copied(vector: Expression, *place: Expression) -> Expression:
        image, row, column, lane = place
        return pixel(image, row, column, vector * dot.lanes + lane)

    vectors = like.columns // dot.lanes
    padded = library.compute((vectors, window.batch, *touched, dot.lanes), copied, "padded")
    i, j, k = (
        library.reduce_axis(extent, name)
        for extent, name in ((window.kernel[0], "i"), (steps, "j"), (dot.columns, "k"))
    )

    def total(
        line: Expression, vector: Expression, position: Expression, lane: Expression
    ) -> Expression:
        image, row = window.row(line, i)
        column = window.column(position, j * dot.columns + k)
        activation = padded[vector, image, row, column, lane]
        weight = weights[vector, i, j, lane, k]
        return library.sum(library.i32(activation) * library.i32(weight), (i, j, k))

    lines, positions = window.lines, window.count[1]
    return library.compute((lines, vectors, positions, dot.lanes), total, TOTALS)


def sum_columns(
    library: Library,
    schedule: Schedule,
    dot: ColumnDot,
    window: Window,
    tile: DepthwiseTile,
    start: Start,
    narrowing: Narrowing | None = None,
) -> None:
    """Schedule the block `result` and the sums that it reads, one vector of channels at a time.

    The sums end in a `narrowing` where one is given, which fits the tile.
    """
    position, lane = write_by_vector(schedule, window, tile, dot.lanes)
    totals = schedule.get_sblock(TOTALS)
    *_, x, lanes, i, j, k = schedule.get_loops(totals)
    schedule.reorder(i, j, x, lanes, k)
    begun = start(schedule, totals, i)
    *_, start_x, start_lanes = schedule.get_loops(begun)
    schedule.vectorize(start_lanes)
    library.register_intrinsic(dot.intrinsic)
    schedule.tensorize(lanes, dot.intrinsic.name)
    for loop in (start_x, x, j, i):
        schedule.unroll(loop)
    if narrowing is not None:
        narrow_in_tiles(library, schedule, narrowing, position, lane)
    else:
        schedule.unroll(position)
        schedule.vectorize(lane)


def _steps(dot: ColumnDot, window: Window) -> int:
    """How many steps the dot product takes over a line of the kernel."""
    return round_up(window.kernel[1], dot.columns) // dot.columns
