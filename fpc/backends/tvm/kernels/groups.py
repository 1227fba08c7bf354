"""Which channels a vector of units sees where channels and units fall into groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpc.backends.tvm.buffer import round_up
from fpc.backends.tvm.library import Expression, Library
from fpc.ir.constant import Array


@dataclass(frozen=True)
class Groups:
    """`channels` and `units` in `count` equal groups; a unit sees the channels of its own.

    A vector of `lanes` units sees as many neighbouring channels as any other, in whole steps of
    `depth`: those of all groups that it has units of, and what else is there, which has zero
    weights. Where vectors begin with groups no products are wasted but for the last of a group.
    """

    count: int
    channels: int
    units: int
    lanes: int
    depth: int

    @property
    def span(self) -> int:
        """How many channels a vector sees."""
        return round_up(max(self._groups_seen()) * self._channels, self.depth)

    @property
    def row(self) -> int:
        """How many channels there are, those that fill up the last step included."""
        return round_up(self.channels, self.depth)

    def loads(self, vectors: int) -> int:
        """How often a channel is loaded for so many neighbouring vectors: once if all see it."""
        are_alike = self.count == 1 or self._units % (vectors * self.lanes) == 0
        return 1 if are_alike else vectors

    def first(self, library: Library, vector: Expression) -> Expression:
        """The first channel that a vector sees."""
        if self.count == 1:
            return 0
        first = self._first_group(vector) * self._channels
        last = self._last
        if max(self._firsts()) <= last:
            return first
        return library.minimum(first, last)

    def weights(self, weights: Array) -> Array:
        """Filters [unit, tap, channel of its group], for the channels that vectors see."""
        units, taps, depth = weights.shape
        seen = np.zeros((units, taps, self.span), weights.dtype)
        firsts = [min(first, self._last) for first in self._firsts()]
        for unit in range(units):
            at = unit // self._units * depth - firsts[unit // self.lanes]
            seen[unit, :, at : at + depth] = weights[unit]
        return seen

    @property
    def _channels(self) -> int:
        return self.channels // self.count

    @property
    def _units(self) -> int:
        return self.units // self.count

    @property
    def _last(self) -> int:
        """The last channel at which what a vector sees may begin."""
        return self.row - self.span

    def _first_group(self, vector: Expression) -> Expression:
        return vector * self.lanes // self._units

    def _firsts(self) -> list[int]:
        vectors = -(-self.units // self.lanes)
        return [self._first_group(vector) * self._channels for vector in range(vectors)]

    def _groups_seen(self) -> list[int]:
        """How many groups each vector has units of."""
        starts = range(0, self.units, self.lanes)
        ends = (min(start + self.lanes, self.units) - 1 for start in starts)
        pairs = zip(starts, ends, strict=True)
        return [end // self._units - start // self._units + 1 for start, end in pairs]
