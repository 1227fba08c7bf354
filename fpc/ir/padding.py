"""What of a window's padding is touched, and whether TensorFlow's SAME says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Pads: TypeAlias = tuple[int, int, int, int]
"""Rows and columns added at the top, left, bottom and right."""
Extents: TypeAlias = tuple[int, int]
"""Height and width of a feature map."""


@dataclass(frozen=True)
class PaddedWindow:
    """How a window walks over a feature map; pairs are (vertical, horizontal).

    `reach` is the window's extent, its dilation included.
    """

    reach: tuple[int, int]
    strides: tuple[int, int]
    pads: Pads

    def needed_pads(self, extents: Extents) -> Pads:
        """The pads that some window touches: strides can leave the last rows unread."""
        top, bottom = self._needed(extents[0], 0)
        left, right = self._needed(extents[1], 1)
        return top, left, bottom, right

    def is_same(self, extents: Extents) -> bool:
        """Whether the pads are those of TensorFlow's SAME."""
        top, left, bottom, right = self.needed_pads(extents)
        return (top, bottom) == self._same(extents[0], 0) and (left, right) == self._same(
            extents[1], 1
        )

    def _count(self, size: int, axis: int) -> int:
        padded = size + self.pads[axis] + self.pads[axis + 2]
        return (padded - self.reach[axis]) // self.strides[axis] + 1

    def _needed(self, size: int, axis: int) -> tuple[int, int]:
        before = self.pads[axis]
        last = (self._count(size, axis) - 1) * self.strides[axis] + self.reach[axis]
        return before, max(0, last - size - before)

    def _same(self, size: int, axis: int) -> tuple[int, int] | None:
        stride, count = self.strides[axis], self._count(size, axis)
        if count != -(-size // stride):
            return None
        total = max(0, (count - 1) * stride + self.reach[axis] - size)
        return total // 2, total - total // 2
