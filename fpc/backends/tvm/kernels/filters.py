"""What convolutions of every element type have in common as matrix products."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from fpc.backends.tvm.buffer import Buffer, round_up
from fpc.backends.tvm.isa.description import DotProduct, Isa
from fpc.backends.tvm.kernels.groups import Groups
from fpc.backends.tvm.kernels.kernel import WindowSums
from fpc.backends.tvm.kernels.loops import fill_then_copy, vectorise_rows
from fpc.backends.tvm.kernels.threads import turns_of
from fpc.backends.tvm.kernels.window import Reading
from fpc.backends.tvm.library import Expression, Library, Schedule, Tensor

_MOST_POSITIONS = 32
_FEWEST_ODD_BANDS = 5
"""Of positions: the one in the middle, whose units two threads share, is then small."""


@dataclass(frozen=True)
class ConvolutionTile:
    """How many neighbouring positions and vectors of units are summed in registers at a time.

    `unroll` is how many dot products deep the innermost loop is written out.
    """

    positions: int
    vectors: int
    unroll: int = 1

    @property
    def sums(self) -> int:
        """How many vectors of sums are kept in registers."""
        return self.positions * self.vectors


@dataclass(frozen=True)
class Filters(WindowSums):
    """Sums over taps and input channels for every position and output channel, or unit.

    A pointwise convolution or a dense layer is one with `Window.over_rows`. `by_line`, what a
    window sees of a line are the terms of one tap: pixels of few channels lie there side by side.
    The result is the finished sum with a `residual` where there is one. With a `group_count` units
    see the channels of their groups.
    """

    tile: ConvolutionTile
    by_line: bool = field(default=False, kw_only=True)
    residual: Buffer | None = field(default=None, kw_only=True)
    group_count: int = field(default=1, kw_only=True)

    @abstractmethod
    def dot(self, isa: Isa) -> DotProduct:
        """One step of the matrix product."""

    @abstractmethod
    def groups(self, isa: Isa) -> Groups:
        """Which channels the vectors of units see."""

    @property
    def operands(self) -> tuple[Buffer, ...]:
        """The map, and what is added to the finished sums."""
        return (self.operand,) if self.residual is None else (self.operand, self.residual)

    @property
    def channels_seen(self) -> int:
        """Those of its unit's group."""
        return self.operand.width // self.group_count

    @property
    def taps_across(self) -> int:
        """Taps of a line of the kernel."""
        return 1 if self.by_line else self.window.kernel[1]

    def units(self, isa: Isa) -> int:
        """Output channels that are computed, whole vectors."""
        return round_up(self.stored.width, isa.dot.lanes)

    def steps(self, isa: Isa) -> int:
        """Dot products of every tap."""
        depth = self.dot(isa).depth
        if self.by_line:
            return -(-self.window.kernel[1] * self.operand.width // depth)
        return self.groups(isa).span // depth

    def depth(self, isa: Isa) -> int:
        """Terms of every sum, padded to whole dot products."""
        return self.window.kernel[0] * self.taps_across * self.steps(isa) * self.dot(isa).depth

    def packed(self, isa: Isa) -> tuple[int, ...]:
        """The shape of the weights as the dot product packs them."""
        dot, steps = self.dot(isa), self.window.kernel[0] * self.taps_across * self.steps(isa)
        return (self.units(isa) // dot.lanes, steps, *dot.tile)

    def reads_in_place(self, isa: Isa) -> bool:
        """Whether activations are read where they lie, not from a padded copy."""
        fits = self.operand.columns >= self.groups(isa).row
        return fits and not self.by_line and not self.window.is_padded

    def bands(self, isa: Isa) -> int:
        """Into how many bands neighbouring positions are cut, all units of one before the next.

        Threads that take bands share only weights, and find what they wrote of the same rows before
        in their caches: halves, or so many bands that the one in the middle is small. Where there
        are more weights than activations, threads had better share units. Bands with padded copies
        of their own are as many as turns.
        """
        window = self.window
        cut = window.lines if window.lines > 1 else self.tiles_across
        if self.has_more_weights(isa):
            return 1
        if self._copies_lines(isa):
            return window.batch * turns_of(window.count[0])
        fewest = 2 if cut % 2 == 0 else _FEWEST_ODD_BANDS
        return next((n for n in range(fewest, cut + 1) if cut % n == 0), 1)

    def has_more_weights(self, isa: Isa) -> bool:
        """Whether there are at least as many weights as elements of all operands and the result."""
        activations = sum(math.prod(each.shape) for each in (*self.operands, self.stored))
        return self.units(isa) * self.depth(isa) >= activations

    @property
    def tiles_across(self) -> int:
        """How many tiles a line of positions has."""
        return self.window.count[1] // self.tile.positions

    def copies_bands(self, isa: Isa) -> bool:
        """Whether the padded copy is made band by band, each with the lines that it shares."""
        return self._copies_lines(isa) and self.bands(isa) > 1

    def _copies_lines(self, isa: Isa) -> bool:
        return self.window.lines > 1 and not self.reads_in_place(isa)

    def source(
        self, library: Library, isa: Isa, x: Tensor, like: Buffer, fill: Expression
    ) -> Reading:
        """Activations by image, padded row, padded column and channel or term.

        Elements are stored as those of `like`; padding holds `fill`.
        """
        window, channels = self.window, self.operand.width
        if self.by_line:
            reach = self.dot(isa).depth, 4 * isa.lanes
            lines = window.padded_lines(library, self.operand, x, like, fill, *reach)
            return lambda image, row, column, term: lines[image, row, column * channels + term]
        if self.reads_in_place(isa):
            return window.reading(library, self.operand, x, like, fill, window.reach)
        like = replace(like, columns=self.groups(isa).row)
        return window.padded(library, self.operand, x, like, fill)

    def factors(
        self,
        library: Library,
        isa: Isa,
        operands: tuple[Reading, Tensor],
        place: tuple[Expression, Expression, Expression],
        term: tuple[Expression, Expression, Expression],
    ) -> tuple[Expression, Expression]:
        """The activation and the weight that are multiplied.

        `operands` are the `source` and the packed weights, `place` is line, position and unit,
        `term` the tap and which of its terms.
        """
        (source, weights), (line, position, unit), (i, j, k) = operands, place, term
        dot, vector = self.dot(isa), unit // self.dot(isa).lanes
        image, row = self.window.row(line, i)
        channel = self.groups(isa).first(library, vector) + k
        activation = source(image, row, self.window.column(position, j), channel)
        step = (i * self.taps_across + j) * self.steps(isa) + k // dot.depth
        weight = weights[vector, step, *dot.index(unit % dot.lanes, k % dot.depth)]
        return activation, weight

    def copy_in_vectors(self, schedule: Schedule, isa: Isa) -> None:
        """Make the padded copy, if there is one, in vectors."""
        if self.by_line:
            fill_then_copy(schedule, "padded", isa.lanes)
        elif not self.reads_in_place(isa):
            vectorise_rows(schedule, "padded", isa.lanes)

    def whole_tiles(
        self, isa: Isa, most: int, unrolls: tuple[int, ...] = (1,)
    ) -> Iterator[ConvolutionTile]:
        """The tile space: all whole tiles of at most so many vectors of sums."""
        across, vectors = self.window.count[1], self.units(isa) // isa.dot.lanes
        for positions in range(1, _MOST_POSITIONS + 1):
            for wide in range(1, most // positions + 1):
                fits = positions == 1 or positions * wide + wide <= isa.sums_and_weights
                if fits and across % positions == 0 and vectors % wide == 0:
                    for unroll in unrolls:
                        yield ConvolutionTile(positions, wide, unroll)
