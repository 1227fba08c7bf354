"""Convolutions and dense layers of int16 and float32 as matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Buffer, Parameter, round_up
from fpc.backends.tvm.isa.description import DotProduct, Isa
from fpc.backends.tvm.kernels.convolution import (
    ConvolutionTile,
    split_into_tiles,
    sum_in_tiles,
)
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import vectorise_rows
from fpc.backends.tvm.kernels.requantise import TOTALS
from fpc.backends.tvm.kernels.wide.scaling import Finish, Scaling
from fpc.backends.tvm.kernels.window import Reading, Window
from fpc.backends.tvm.library import Block, Expression, Library, Loop, Schedule, Tensor
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class WideConvolution(OneOperand):
    """Sums over taps and input channels for every position and output channel, finished.

    Weights are int8 for int16 activations, float32 for float32 ones; padding is zero.
    """

    family: Literal["wide_convolution"] = field(default="wide_convolution", kw_only=True)

    window: Window
    tile: ConvolutionTile
    sums: DType
    scaling: Scaling

    def units(self, isa: Isa) -> int:
        """Output channels that are computed, whole vectors."""
        return round_up(self.stored.width, isa.dot.lanes)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        dot, window, units = wide_dot(isa, self.sums), self.window, self.units(isa)
        steps = round_up(self.operand.width, dot.depth) // dot.depth
        taps_v, taps_h = window.kernel
        x = library.placeholder(self.operand, "x")
        kind = weights_type(self.operand.dtype)
        shape = (units // dot.lanes, taps_v * taps_h * steps, *dot.tile)
        weights = library.parameter(Parameter(kind, shape), "weights")
        finish = Finish.of(library, self.scaling, self.sums, self.stored.dtype, units)
        source = self._source(library, dot, x)
        i, j = window.tap_axes(library)
        k = library.reduce_axis(steps * dot.depth, "k")

        def total(line: Expression, position: Expression, unit: Expression) -> Expression:
            image, row = window.row(line, i)
            activation = source(image, row, window.column(position, j), k)
            step = (i * taps_h + j) * steps + k // dot.depth
            weight = weights[unit // dot.lanes, step, *dot.index(unit % dot.lanes, k % dot.depth)]
            product = library.cast(activation, self.sums) * library.cast(weight, self.sums)
            return library.sum(product, (i, j, k))

        lines, positions = window.batch * window.count[0], window.count[1]
        totals = library.compute((lines, positions, units), total, TOTALS)

        def finished(row: Expression, unit: Expression) -> Expression:
            return finish.apply(library, totals[row // positions, row % positions, unit], unit)

        result = library.compute(self.stored.shape, finished, "result")
        schedule = library.schedule([x, weights, *finish.arguments, result])
        loops = split_into_tiles(schedule, dot, self.tile, lines)
        sum_in_tiles(library, schedule, dot, self.tile, loops, _start_from_zero)
        if not self._reads_in_place(dot):
            vectorise_rows(schedule, "padded", isa.lanes)
        return schedule

    def _source(self, library: Library, dot: DotProduct, x: Tensor) -> Reading:
        """Activations by image, padded row, padded column and channel."""
        if self._reads_in_place(dot):
            height, across = self.window.extent
            return lambda image, row, column, channel: x[
                (image * height + row) * across + column, channel
            ]
        width = round_up(self.operand.width, dot.depth)
        like = Buffer(self.operand.dtype, 0, width, width)
        padded = self.window.padded(library, self.operand, x, like, 0)
        return lambda image, row, column, channel: padded[image, row, column, channel]

    def _reads_in_place(self, dot: DotProduct) -> bool:
        whole = self.operand.columns >= round_up(self.operand.width, dot.depth)
        return whole and not self.window.is_padded


def _start_from_zero(schedule: Schedule, reduction: Block, loop: Loop) -> Block:
    return schedule.decompose_reduction(reduction, loop)


def weights_type(activations: DType) -> DType:
    """The element type of the weights that belong to activations."""
    return DType.I8 if activations is DType.I16 else activations


def wide_dot(isa: Isa, sums: DType) -> DotProduct:
    """One step of a matrix product of wide elements summed in `sums`."""
    if sums is DType.I32 and isa.dot_int16 is not None:
        return isa.dot_int16
    return DotProduct(isa.dot.lanes, 1, (1, isa.dot.lanes), (1, 0))


def wide_tiles(convolution: WideConvolution, isa: Isa) -> Iterator[ConvolutionTile]:
    """The tile space: all whole tiles whose sums fit into the registers."""
    across = convolution.window.count[1]
    vectors = convolution.units(isa) // isa.dot.lanes
    room = isa.accumulators * 32 // convolution.sums.bits
    for positions in range(1, room + 1):
        for wide in range(1, room // positions + 1):
            if across % positions == 0 and vectors % wide == 0:
                yield ConvolutionTile(positions, wide)
