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
    write_in_vectors,
)
from fpc.backends.tvm.kernels.groups import Groups
from fpc.backends.tvm.kernels.kernel import WindowSums
from fpc.backends.tvm.kernels.loops import fill_then_copy, start_from_zero, vectorise_rows
from fpc.backends.tvm.kernels.requantise import TOTALS
from fpc.backends.tvm.kernels.wide.residual import WideResidual
from fpc.backends.tvm.kernels.wide.scaling import Finish, Scaling
from fpc.backends.tvm.kernels.window import Reading
from fpc.backends.tvm.library import Expression, Library, Schedule, Tensor
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class WideConvolution(WindowSums):
    """Sums over taps and input channels for every position and output channel, finished.

    Weights have the activations' type; padding is zero. The input channels are divided into
    `parts`, whose `sums` are taken one after the other and then added up in a wider type. Those in
    one part may be `by_line`: what a window sees of a line are the terms of one tap, as pixels of
    few channels lie there side by side. The result is the finished sum with a `residual` where
    there is one. With a `group_count` units see the channels of their groups.
    """

    family: Literal["wide_convolution"] = field(default="wide_convolution", kw_only=True)

    tile: ConvolutionTile
    sums: DType
    scaling: Scaling
    parts: int = 1
    by_line: bool = False
    residual: Buffer | None = None
    group_count: int = 1

    @property
    def operands(self) -> tuple[Buffer, ...]:
        """The map, and what is added to the finished sums."""
        return (self.operand,) if self.residual is None else (self.operand, self.residual)

    @property
    def channels_seen(self) -> int:
        """Those of its unit's group."""
        return self.operand.width // self.group_count

    def units(self, isa: Isa) -> int:
        """Output channels that are computed, whole vectors."""
        return round_up(self.stored.width, isa.dot.lanes)

    def groups(self, isa: Isa) -> Groups:
        """Which channels vectors see: whole dot products, more where parts are to be equal."""
        dot, channels, units = wide_dot(isa, self.sums), self.operand.width, self.stored.width
        depth = isa.lanes if self.parts > 1 else dot.depth
        return Groups(self.group_count, channels, units, dot.lanes, depth)

    def depth(self, isa: Isa) -> int:
        """Terms of every sum, padded to whole dot products."""
        across = 1 if self.by_line else self.window.kernel[1]
        return self.window.kernel[0] * across * self._steps(isa) * wide_dot(isa, self.sums).depth

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        dot, window, units = wide_dot(isa, self.sums), self.window, self.units(isa)
        groups, steps = self.groups(isa), self._steps(isa)
        taps_v, taps_h = window.kernel[0], 1 if self.by_line else window.kernel[1]
        x = library.placeholder(self.operand, "x")
        shape = (units // dot.lanes, taps_v * taps_h * steps, *dot.tile)
        weights = library.parameter(Parameter(self.operand.dtype, shape), "weights")
        finish = Finish.of(library, self.scaling, units)
        residual = None if self.residual is None else WideResidual.of(library, self.residual)
        source = self._source(library, isa, x)
        i, j = library.reduce_axis(taps_v, "i"), library.reduce_axis(taps_h, "j")
        terms = steps * dot.depth // self.parts
        k = library.reduce_axis(terms, "k")

        def total(
            part: Expression, line: Expression, position: Expression, unit: Expression
        ) -> Expression:
            image, row = window.row(line, i)
            term = part * terms + k
            channel = groups.first(library, unit // dot.lanes) + term
            activation = source(image, row, window.column(position, j), channel)
            step = (i * taps_h + j) * steps + term // dot.depth
            within = dot.index(unit % dot.lanes, term % dot.depth)
            weight = weights[unit // dot.lanes, step, *within]
            product = library.cast(activation, self.sums) * library.cast(weight, self.sums)
            return library.sum(product, (i, j, k))

        lines, positions = window.lines, window.count[1]
        totals = library.compute((self.parts, lines, positions, units), total, TOTALS)

        def finished(row: Expression, unit: Expression) -> Expression:
            first, *others = (
                library.cast(totals[part, row // positions, row % positions, unit], finish.sums)
                for part in range(self.parts)
            )
            value = finish.apply(library, sum(others, first), unit)
            if residual is not None:
                value = residual.added(library, value, row, unit)
            return library.cast(value, self.stored.dtype)

        result = library.compute(self.stored.shape, finished, "result")
        arguments = (weights, *finish.arguments)
        if residual is not None:
            arguments = (residual.x, *arguments, *residual.numbers)
        schedule = library.schedule([x, *arguments, result])
        self._schedule(library, isa, schedule)
        return schedule

    def _schedule(self, library: Library, isa: Isa, schedule: Schedule) -> None:
        dot, lines = wide_dot(isa, self.sums), self.window.batch * self.window.count[0]
        loops = split_into_tiles(schedule, dot, self.tile, lines)
        sum_in_tiles(library, schedule, dot, self.tile, loops, start_from_zero)
        # The numbers of one vector of units at a time fit into registers beside the sums.
        schedule.reorder(loops.vector, loops.position)
        write_in_vectors(schedule, loops)
        if self.by_line:
            fill_then_copy(schedule, "padded", isa.lanes)
        elif not self._reads_in_place(isa):
            vectorise_rows(schedule, "padded", isa.lanes)

    def _source(self, library: Library, isa: Isa, x: Tensor) -> Reading:
        """Activations by image, padded row, padded column and channel."""
        if self.by_line:
            reach = wide_dot(isa, self.sums).depth, 4 * isa.lanes
            fill = library.constant(0, self.operand.dtype)
            lines = self.window.padded_lines(library, self.operand, x, self.operand, fill, *reach)
            channels = self.operand.width
            return lambda image, row, column, term: lines[image, row, column * channels + term]
        if self._reads_in_place(isa):
            height, across = self.window.extent
            return lambda image, row, column, channel: x[
                (image * height + row) * across + column, channel
            ]
        width = self.groups(isa).row
        like = Buffer(self.operand.dtype, 0, width, width)
        padded = self.window.padded(library, self.operand, x, like, 0)
        return lambda image, row, column, channel: padded[image, row, column, channel]

    def _reads_in_place(self, isa: Isa) -> bool:
        fits = self.operand.columns >= self.groups(isa).row
        return fits and not self.by_line and not self.window.is_padded

    def _steps(self, isa: Isa) -> int:
        """Dot products of every tap."""
        depth = wide_dot(isa, self.sums).depth
        if self.by_line:
            return -(-self.window.kernel[1] * self.operand.width // depth)
        return self.groups(isa).span // depth


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
            fits = positions == 1 or positions * wide + wide <= isa.sums_and_weights
            if fits and across % positions == 0 and vectors % wide == 0:
                yield ConvolutionTile(positions, wide)
