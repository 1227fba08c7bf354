"""Which channels a vector of units sees where channels and units fall into groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpc.backends.tvm.buffer import round_up
from fpc.backends.tvm.isa.description import DotProduct
from fpc.backends.tvm.library import Expression, Library
from fpc.ir.constant import Array


@dataclass(frozen=True)
class Groups:
    """`channels` and `units` in `count` equal groups; a unit sees the channels of its own.

    A vector of units sees as many neighbouring channels as any other, whole dot products: those of
    all groups that it has units of, and what else is there, which has zero weights. Where vectors
    begin with groups, or groups with vectors, no products are wasted but for the last of a group.
    """

    count: int
    channels: int
    units: int
    dot: DotProduct

    @property
    def span(self) -> int:
        """How many channels a vector sees."""
        return round_up(max(self._groups_seen()) * self._depth, self.dot.depth)

    def are_shared(self, vectors: int) -> bool:
        """Whether each so many neighbouring vectors see the same channels."""
        return self.count == 1 or self._width % (vectors * self.dot.lanes) == 0

    def first(self, library: Library, vector: Expression) -> Expression:
        """The first channel that a vector sees."""
        if self.count == 1:
            return 0
        first = self._first_group(vector) * self._depth
        last = self._last
        if max(self._firsts()) <= last:
            return first
        return library.minimum(first, last)

    def weights(self, weights: Array) -> Array:
        """Filters [unit, tap, channel of its group], for the channels that vectors see."""
        if self.count == 1:
            return weights
        units, taps, depth = weights.shape
        seen = np.zeros((units, taps, self.span), weights.dtype)
        firsts = [min(first, self._last) for first in self._firsts()]
        for unit in range(units):
            at = unit // self._width * depth - firsts[unit // self.dot.lanes]
            seen[unit, :, at : at + depth] = weights[unit]
        return seen

    @property
    def _depth(self) -> int:
        return self.channels // self.count

    @property
    def _width(self) -> int:
        return self.units // self.count

    @property
    def _last(self) -> int:
        """The last channel at which what a vector sees may begin."""
        return round_up(self.channels, self.dot.depth) - self.span

    def _first_group(self, vector: Expression) -> Expression:
        return vector * self.dot.lanes // self._width

    def _firsts(self) -> list[int]:
        vectors = -(-self.units // self.dot.lanes)
        return [self._first_group(vector) * self._depth for vector in range(vectors)]

    def _groups_seen(self) -> list[int]:
        """How many groups each vector has units of."""
        starts = range(0, self.units, self.dot.lanes)
        ends = (min(start + self.dot.lanes, self.units) - 1 for start in starts)
        pairs = zip(starts, ends, strict=True)
        return [end // self._width - start // self._width + 1 for start, end in pairs]
