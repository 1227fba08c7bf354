"""Windows reduced channel by channel: greatest values and integer means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import Isa
from fpc.backends.tvm.kernels.kernel import OneOperand
from fpc.backends.tvm.kernels.loops import reduce_in_vectors, vectorise_rows
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.library import Expression, Library, Schedule, Tensor
from fpc.ir.dtype import DType


class Seen(NamedTuple):
    """Elements by the window's row and the channel, for every tap of its axes."""

    element: Callable[[Expression, Expression], Expression]
    taps: tuple[Expression, Expression]


@dataclass(frozen=True)
class Pool(OneOperand):
    """The reduction of every window, stored as the operand is."""

    window: Window

    @property
    def reads_in_place(self) -> bool:
        """Whether elements are read where they lie, not from a padded copy."""
        return not self.window.is_padded and self.operand.columns >= self.stored.columns

    def seen(self, library: Library, x: Tensor, fill: Expression) -> Seen:
        """What windows see of a map with `fill` around it, and the taps they are reduced over."""
        window, taps = self.window, self.window.tap_axes(library)
        if self.reads_in_place:
            pixel = window.reading(library, self.operand, x, self.stored, fill, window.reach)
        else:
            pixel = window.padded(library, self.operand, x, self.stored, fill)

        def element(row: Expression, channel: Expression) -> Expression:
            line, position = row // window.count[1], row % window.count[1]
            image, at = window.row(line, taps[0])
            return pixel(image, at, window.column(position, taps[1]), channel)

        return Seen(element, taps)

    def copy_in_vectors(self, schedule: Schedule, isa: Isa) -> None:
        """Make the padded copy, if there is one, in vectors."""
        if not self.reads_in_place:
            vectorise_rows(schedule, "padded", isa.lanes)


@dataclass(frozen=True)
class MaxPool(Pool):
    """The greatest element of every window; padding is the least of the type."""

    family: Literal["max_pool"] = field(default="max_pool", kw_only=True)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        stored = self.stored
        x = library.placeholder(self.operand, "x")
        seen = self.seen(library, x, library.least(stored.dtype))

        def greatest(row: Expression, channel: Expression) -> Expression:
            return library.greatest(seen.element(row, channel), seen.taps)

        result = library.compute(stored.shape, greatest, "result")
        schedule = library.schedule([x, result])
        reduce_in_vectors(schedule, "result", isa.lanes * DType.I32.bits // stored.dtype.bits)
        self.copy_in_vectors(schedule, isa)
        return schedule


@dataclass(frozen=True)
class MeanPool(Pool):
    """The integer mean of every window, halves away from zero.

    Parameters are how many elements each window of a map averages over, int32[rows, columns], and
    the integer that padding counts as, int32[1], as stored.
    """

    family: Literal["mean_pool"] = field(default="mean_pool", kw_only=True)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        window, stored = self.window, self.stored
        x = library.placeholder(self.operand, "x")
        counts = library.parameter(Parameter(DType.I32, window.count), "counts")
        fill = library.parameter(Parameter(DType.I32, (1,)), "fill")
        seen = self.seen(library, x, fill[0])

        def total(row: Expression, channel: Expression) -> Expression:
            integer = library.i32(seen.element(row, channel)) - stored.offset
            return library.sum(integer, seen.taps)

        totals = library.compute(stored.shape, total, "totals")

        def mean(row: Expression, channel: Expression) -> Expression:
            line, position = row // window.count[1], row % window.count[1]
            sums, count = totals[row, channel], counts[line % window.count[0], position]
            half = count // 2
            magnitude = library.maximum(sums, -sums)
            rounded = library.quotient(magnitude + half, count)
            signed = library.choose(sums > 0, rounded, -rounded)
            return library.cast(signed + stored.offset, stored.dtype)

        result = library.compute(stored.shape, mean, "result")
        schedule = library.schedule([x, counts, fill, result])
        reduce_in_vectors(schedule, "totals", isa.lanes)
        self.copy_in_vectors(schedule, isa)
        vectorise_rows(schedule, "result", isa.lanes)
        return schedule
