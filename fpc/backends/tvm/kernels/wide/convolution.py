"""Convolutions and dense layers of int16 and float32 as matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import DotProduct, Isa
from fpc.backends.tvm.kernels.convolution import split_into_tiles, sum_in_tiles, write_in_vectors
from fpc.backends.tvm.kernels.filters import ConvolutionTile, Filters
from fpc.backends.tvm.kernels.groups import Groups
from fpc.backends.tvm.kernels.loops import start_from_zero
from fpc.backends.tvm.kernels.requantise import TOTALS
from fpc.backends.tvm.kernels.wide.residual import WideResidual
from fpc.backends.tvm.kernels.wide.scaling import Finish, Scaling
from fpc.backends.tvm.library import Expression, Library, Schedule
from fpc.ir.dtype import DType


@dataclass(frozen=True)
class WideConvolution(Filters):
    """Sums of products of int16 or float32, finished.

    Weights have the activations' type; padding is zero. The input channels are divided into
    `parts`, whose `sums` are taken one after the other and then added up in a wider type. Only
    those in one part may be `by_line`.
    """

    family: Literal["wide_convolution"] = field(default="wide_convolution", kw_only=True)

    sums: DType
    scaling: Scaling
    parts: int = 1

    def dot(self, isa: Isa) -> DotProduct:
        """That of the sums' type."""
        return wide_dot(isa, self.sums)

    def groups(self, isa: Isa) -> Groups:
        """Which channels vectors see: whole dot products, more where parts are to be equal."""
        dot, channels, units = self.dot(isa), self.operand.width, self.stored.width
        depth = isa.lanes if self.parts > 1 else dot.depth
        return Groups(self.group_count, channels, units, dot.lanes, depth)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        window, units = self.window, self.units(isa)
        x = library.placeholder(self.operand, "x")
        weights = library.parameter(Parameter(self.operand.dtype, self.packed(isa)), "weights")
        finish = Finish.of(library, self.scaling, units)
        residual = None if self.residual is None else WideResidual.of(library, self.residual)
        fill = library.constant(0, self.operand.dtype)
        factors = self.source(library, isa, x, self.operand, fill), weights
        i = library.reduce_axis(window.kernel[0], "i")
        j = library.reduce_axis(self.taps_across, "j")
        terms = self.steps(isa) * self.dot(isa).depth // self.parts
        k = library.reduce_axis(terms, "k")

        def total(
            part: Expression, line: Expression, position: Expression, unit: Expression
        ) -> Expression:
            place, term = (line, position, unit), (i, j, part * terms + k)
            activation, weight = self.factors(library, isa, factors, place, term)
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
        dot = self.dot(isa)
        loops = split_into_tiles(schedule, dot, self.tile, self.window.lines, self.bands(isa))
        copy = loops.band if self.copies_bands(isa) else None
        sum_in_tiles(library, schedule, dot, self.tile, loops, start_from_zero, copy)
        # The numbers of one vector of units at a time fit into registers beside the sums.
        schedule.reorder(loops.vector, loops.position)
        write_in_vectors(schedule, loops)
        self.copy_in_vectors(schedule, isa)


def wide_dot(isa: Isa, sums: DType) -> DotProduct:
    """One step of a matrix product of wide elements summed in `sums`."""
    if sums is DType.I32 and isa.dot_int16 is not None:
        return isa.dot_int16
    return DotProduct(isa.dot.lanes, 1, (1, isa.dot.lanes), (1, 0))


def wide_tiles(convolution: WideConvolution, isa: Isa) -> Iterator[ConvolutionTile]:
    """The tile space: all whole tiles whose sums fit into the registers."""
    return convolution.whole_tiles(isa, isa.accumulators * 32 // convolution.sums.bits)
