"""Depthwise convolutions: every channel filtered alone, channels in vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fpc.backends.tvm.buffer import Buffer, Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import WindowSums
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.kernels.requantise import TOTALS, Epilogue, round_in_vectors, start_from_bias
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.constant import Array
from fpc.ir.dtype import DType

_WEIGHTS_IN_REGISTERS = 9


@dataclass(frozen=True)
class DepthwiseTile:
    """How many neighbouring positions and lines of one vector of channels are written at a time."""

    positions: int
    lines: int = 1


@dataclass(frozen=True)
class Depthwise(WindowSums):
    """Sums over taps for every position and channel, requantised."""

    family: Literal["depthwise"] = field(default="depthwise", kw_only=True)

    tile: DepthwiseTile
    saturates: bool = False
    rectifies: bool = False

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        window, channels = self.window, self.stored.columns
        x = library.placeholder(self.operand, "x")
        weights = library.parameter(Parameter(DType.I8, (*window.kernel, channels)), "weights")
        epilogue = Epilogue.of(
            library,
            self.stored,
            channels,
            saturates=self.saturates,
            rectifies=self.rectifies,
            rounding=isa.rounding,
        )
        like = Buffer(isa.activation, 0, channels, channels, isa.offset)
        padded = window.padded(library, self.operand, x, like, epilogue.padding)
        taps, together = window.taps, 2 if isa.adds_pairs else 1
        i = library.reduce_axis(-(-taps // together), "i")

        def total(line: Expression, position: Expression, channel: Expression) -> Expression:
            def product(tap: Expression) -> Expression:
                row, column = tap // window.kernel[1], tap % window.kernel[1]
                image, at = window.row(line, row)
                activation = padded(image, at, window.column(position, column), channel)
                return wide(activation) * wide(weights[row, column, channel])

            def wide(value: Expression) -> Expression:
                return library.cast(value, DType.I16 if isa.adds_pairs else DType.I32)

            term = product(i * together)
            if isa.adds_pairs:
                other = i * together + 1
                term += library.where(other < taps, product(other), wide(0))
            return library.sum(library.i32(term), (i,))

        lines, positions = window.lines, window.count[1]
        totals = library.compute((lines, positions, channels), total, TOTALS)
        schedule = epilogue.schedule(library, x, weights, totals, isa.lanes)
        self._schedule(schedule, isa)
        return schedule

    def _schedule(self, schedule: Schedule, isa: Isa) -> None:
        totals, result = schedule.get_sblock(TOTALS), schedule.get_sblock("result")
        row, channel = schedule.get_loops(result)
        lines, tile = self.window.lines, self.tile
        shape = [lines // tile.lines, tile.lines, None, tile.positions]
        line_block, line, block, position = schedule.split(row, shape)
        outer, lane = schedule.split(channel, [None, isa.lanes])
        schedule.reorder(line_block, outer, block, line, position, lane)
        sums = position if weights_stay(self.window) else block
        round_in_vectors(schedule, isa, sums)
        schedule.compute_at(totals, sums, preserve_unit_loops=True)
        *_, x, lanes, i = schedule.get_loops(totals)
        schedule.reorder(i, x, lanes)
        # A reduction takes no vectors any more once its start is a block of its own.
        schedule.vectorize(lanes)
        for loop in (x, i):
            schedule.unroll(loop)
        start_from_bias(schedule, totals, i)
        schedule.vectorize(lane)
        schedule.unroll(line)
        schedule.unroll(position)
        vectorise_rows(schedule, "padded", isa.lanes)


def pack_taps(weights: Array, channels: int) -> Array:
    """Weights [channel, row, column] as [row, column, channel], zeros added."""
    count, *kernel = weights.shape
    packed = np.zeros((*kernel, channels), weights.dtype)
    packed[..., :count] = weights.transpose(1, 2, 0)
    return packed


def weights_stay(window: Window) -> bool:
    """Whether the weights of all taps stay in registers while positions are summed one by one.

    Sums of one position are then rounded while those of the next are begun. Otherwise all positions
    of a tile are summed tap by tap, so that a weight is loaded once.
    """
    return window.taps <= _WEIGHTS_IN_REGISTERS


def tiles(window: Window, isa: Isa) -> Iterator[DepthwiseTile]:
    """The tile space: those of a line, on ARM also of two where weights stay in registers."""
    yield from line_tiles(window, isa)
    if isa.adds_pairs and weights_stay(window) and window.count[0] % 2 == 0:
        for tile in line_tiles(window, isa):
            if 2 * tile.positions <= isa.accumulators:
                yield DepthwiseTile(tile.positions, 2)


def line_tiles(window: Window, isa: Isa) -> Iterator[DepthwiseTile]:
    """Whole tiles of one line whose sums fit into the registers."""
    for positions in range(1, isa.accumulators + 1):
        if window.count[1] % positions == 0:
            yield DepthwiseTile(positions)
