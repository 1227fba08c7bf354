"""Convolutions and dense layers as matrix products by the instruction set's dot product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from fpc.backends.tvm.buffer import Parameter
from fpc.backends.tvm.isa.description import DotProduct, Isa, Narrowing
from fpc.backends.tvm.kernels.filters import ConvolutionTile, Filters
from fpc.backends.tvm.kernels.groups import Groups
from fpc.backends.tvm.kernels.loops import Start
from fpc.backends.tvm.kernels.requantise import (
    TOTALS,
    Epilogue,
    narrow_in_tiles,
    narrowing_of,
    round_in_vectors,
    start_from_bias,
    sum_end,
)
from fpc.backends.tvm.library import Expression, Library, Loop, Schedule
from fpc.ir.dtype import DType

_COPIED_BYTES = 8 << 10
"""Of activations that are widened just before they are multiplied: they stay in the first cache."""
_WRITTEN_OUT = 8
"""Steps of a sum that may be written out as a whole where a sum is kept in parts."""


@dataclass(frozen=True)
class Convolution(Filters):
    """Sums of 8-bit products, requantised.

    `by_line`, padding between lines is known: `padding`, as stored.
    """

    family: Literal["convolution"] = field(default="convolution", kw_only=True)

    saturates: bool = False
    padding: int = 0
    rectifies: bool = False

    def dot(self, isa: Isa) -> DotProduct:
        """That of the instruction set."""
        return isa.dot

    def groups(self, isa: Isa) -> Groups:
        """Which channels the vectors of units see."""
        channels, units = self.operand.width, self.stored.width
        return Groups(self.group_count, channels, units, isa.dot.lanes, isa.dot.depth)

    def narrowing(self, isa: Isa) -> Narrowing | None:
        """The instructions that end its tile, where there are such."""
        adds = self.residual is not None
        end = sum_end(saturates=self.saturates, rectifies=self.rectifies, adds=adds)
        return narrowing_of(isa, end, self.tile.positions, self.tile.vectors)

    def lower(self, library: Library, isa: Isa) -> Schedule:
        """The loops, scheduled."""
        dot, window = isa.dot, self.window
        units = self.units(isa)
        x = library.placeholder(self.operand, "x")
        weights = library.parameter(Parameter(DType.I8, self.packed(isa)), "weights")
        epilogue = Epilogue.of(
            library,
            self.stored,
            units,
            saturates=self.saturates,
            rectifies=self.rectifies,
            rounding=isa.rounding,
            residual=self.residual,
        )
        like = replace(self.operand, dtype=isa.dot.terms or isa.activation, offset=isa.offset)
        fill = library.constant(self.padding, like.dtype) if self.by_line else epilogue.padding
        factors = self.source(library, isa, x, like, fill), weights
        i, j, k = (
            library.reduce_axis(window.kernel[0], "i"),
            library.reduce_axis(self.taps_across, "j"),
            library.reduce_axis(self.steps(isa) * dot.depth // dot.partials, "k"),
        )

        def total(
            line: Expression, position: Expression, unit: Expression, *part: Expression
        ) -> Expression:
            term = dot.term_of_part(k, *part) if part else k
            place = line, position, unit
            activation, weight = self.factors(library, isa, factors, place, (i, j, term))
            return library.sum(library.i32(activation) * library.i32(weight), (i, j, k))

        shape = (window.lines, window.count[1], units)
        if dot.fold is None:
            totals = library.compute(shape, total, TOTALS)
            schedule = epilogue.schedule(library, x, weights, totals, dot.lanes)
            self._schedule(library, isa, schedule)
            return schedule
        parts = library.compute((*shape, dot.partials), total, TOTALS)

        def folded(line: Expression, position: Expression, unit: Expression) -> Expression:
            first, *others = (parts[line, position, unit, part] for part in range(dot.partials))
            return sum(others, first)

        sums = library.compute(shape, folded, "folded")
        schedule = epilogue.schedule_of_sums(library, x, weights, sums)
        self._schedule_of_parts(library, isa, schedule)
        return schedule

    def reads_in_place(self, isa: Isa) -> bool:
        """Not where activations are stored in another way than the instruction set takes them."""
        is_stored_right = isa.dot.terms is None and self.operand.offset == isa.offset
        return is_stored_right and super().reads_in_place(isa)

    def bands(self, isa: Isa) -> int:
        """As many as they need to be where they are widened on their own."""
        if self.has_more_weights(isa) or not self._widens_bands(isa):
            return super().bands(isa)
        most = max(_COPIED_BYTES // (2 * self.depth(isa)), self.tile.positions)
        across, cut = self.window.count[1], self.tiles_across
        return next(n for n in range(1, cut + 1) if cut % n == 0 and across // n <= most)

    def copies_bands(self, isa: Isa) -> bool:
        """Also where they are widened."""
        return self._widens_bands(isa) or super().copies_bands(isa)

    def _widens_bands(self, isa: Isa) -> bool:
        """Whether activations are widened band by band: none of them belongs to two."""
        return isa.dot.terms is not None and self.window.taps == self.window.lines == 1

    def _schedule(self, library: Library, isa: Isa, schedule: Schedule) -> None:
        loops = split_into_tiles(schedule, isa.dot, self.tile, self.window.lines, self.bands(isa))
        round_in_vectors(schedule, isa, loops.block)
        copy = loops.band if self.copies_bands(isa) else None
        sum_in_tiles(library, schedule, isa.dot, self.tile, loops, start_from_bias, copy)
        narrowing = self.narrowing(isa)
        if narrowing is None:
            write_in_vectors(schedule, loops)
        else:
            channel = schedule.fuse(loops.vector, loops.lane)
            narrow_in_tiles(library, schedule, narrowing, loops.position, channel)
        self.copy_in_vectors(schedule, isa)

    def _schedule_of_parts(self, library: Library, isa: Isa, schedule: Schedule) -> None:
        dot, tile = isa.dot, self.tile
        assert dot.intrinsic is not None
        assert dot.fold is not None
        totals, folded = map(schedule.get_sblock, (TOTALS, "folded"))
        band, block, position, vector, lane = split_into_tiles(
            schedule, dot, tile, self.window.lines, self.bands(isa)
        )
        round_in_vectors(schedule, isa, block)
        schedule.compute_at(folded, block, preserve_unit_loops=True)
        *_, fold_x, fold_n = schedule.get_loops(folded)
        fold_across, fold_lanes = schedule.split(fold_n, [None, dot.partials])
        schedule.compute_at(totals, block, preserve_unit_loops=True)
        if self.copies_bands(isa):
            schedule.compute_at(schedule.get_sblock("padded"), band, preserve_unit_loops=True)
        *_, x, n, part, i, j, k = schedule.get_loops(totals)
        steps, unrolled, term = schedule.split(k, [None, tile.unroll, dot.depth // dot.partials])
        schedule.reorder(i, j, steps, unrolled, x, n, part, term)
        start = schedule.decompose_reduction(totals, i)
        *_, start_x, start_n, start_part = schedule.get_loops(start)
        schedule.vectorize(start_part)
        library.register_intrinsic(dot.intrinsic)
        schedule.tensorize(part, dot.intrinsic.name)
        library.register_intrinsic(dot.fold)
        schedule.tensorize(fold_lanes, dot.fold.name)
        for loop in (start_x, start_n, unrolled, x, n, fold_x, fold_across, vector, position):
            schedule.unroll(loop)
        schedule.vectorize(lane)
        self.copy_in_vectors(schedule, isa)


class TileLoops(NamedTuple):
    """The loops that write a result tile by tile: over bands, a line's tiles, and inside of one."""

    band: Loop
    block: Loop
    position: Loop
    vector: Loop
    lane: Loop


def split_into_tiles(
    schedule: Schedule, dot: DotProduct, tile: ConvolutionTile, lines: int, bands: int
) -> TileLoops:
    """Let the block `result` of so many lines be written tile by tile.

    All units of one of the `bands`, of lines or else of the only line, come before the next band.
    """
    row, unit = schedule.get_loops(schedule.get_sblock("result"))
    of_band = max(lines // bands, 1)
    band, line, block, position = schedule.split(row, [bands, of_band, None, tile.positions])
    outer, vector, lane = schedule.split(unit, [None, tile.vectors, dot.lanes])
    schedule.reorder(band, outer, line, block, position, vector, lane)
    return TileLoops(band, block, position, vector, lane)


def sum_in_tiles(
    library: Library,
    schedule: Schedule,
    dot: DotProduct,
    tile: ConvolutionTile,
    loops: TileLoops,
    start: Start,
    copy: Loop | None = None,
) -> None:
    """Sum the products of each tile of `result` in registers, just before it is written.

    `start` makes a block of its own of how sums begin, before the loop that it is given. What the
    turns of the loop `copy` need of the block `padded` is copied in them.
    """
    totals = schedule.get_sblock(TOTALS)
    schedule.compute_at(totals, loops.block, preserve_unit_loops=True)
    if copy is not None:
        schedule.compute_at(schedule.get_sblock("padded"), copy, preserve_unit_loops=True)
    *_, x, n, i, j, k = schedule.get_loops(totals)
    across, lanes = schedule.split(n, [tile.vectors, dot.lanes])
    steps, unrolled, term = schedule.split(k, [None, tile.unroll, dot.depth])
    schedule.reorder(i, j, steps, unrolled, x, across, lanes, term)
    if dot.intrinsic is None:
        schedule.reorder(term, lanes)
        schedule.unroll(term)
        schedule.vectorize(lanes)
    begun = start(schedule, totals, i)
    *_, start_x, start_across, start_lanes = schedule.get_loops(begun)
    if dot.intrinsic is not None:
        schedule.vectorize(start_lanes)
        library.register_intrinsic(dot.intrinsic)
        schedule.tensorize(lanes, dot.intrinsic.name)
    for loop in (start_x, start_across, unrolled, x, across):
        schedule.unroll(loop)


def write_in_vectors(schedule: Schedule, loops: TileLoops) -> None:
    """Write tiles of `result` vector by vector."""
    schedule.vectorize(loops.lane)
    schedule.unroll(loops.vector)
    schedule.unroll(loops.position)


def tiles(convolution: Convolution, isa: Isa) -> Iterator[ConvolutionTile]:
    """The tile space: all whole tiles whose sums fit into the registers."""
    return convolution.whole_tiles(isa, _most_sums(convolution, isa), _unrolls(convolution, isa))


def _most_sums(convolution: Convolution, isa: Isa) -> int:
    """How many vectors of sums fit; parts that are folded as soon as they are made are not kept."""
    most = isa.accumulators // isa.dot.partials
    is_one_step = convolution.depth(isa) == isa.dot.depth
    return 2 * most if isa.dot.fold is not None and is_one_step else most


def _unrolls(convolution: Convolution, isa: Isa) -> tuple[int, ...]:
    """In pairs where that is possible; sums in parts are also written out as a whole if short."""
    steps = convolution.steps(isa)
    usual = 2 if steps % 2 == 0 else 1
    if isa.dot.fold is None or steps > _WRITTEN_OUT:
        return (usual,)
    return tuple(dict.fromkeys((usual, steps)))
