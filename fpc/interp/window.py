"""Sliding windows over feature maps: padding and the strided views a kernel's taps see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpc.interp.call import Array
from fpc.ir.op import Layout
from fpc.ir.ops import AvgPool


@dataclass(frozen=True)
class Window:
    """A kernel of taps that slides over the spatial axes of a 4-D feature map.

    `pads` are (top, left, bottom, right); pairs are (vertical, horizontal).
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    layout: Layout

    @property
    def taps(self) -> int:
        """Number of taps of the kernel."""
        return self.kernel[0] * self.kernel[1]

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns from the first tap to the last, both included."""
        return (
            self.dilations[0] * (self.kernel[0] - 1) + 1,
            self.dilations[1] * (self.kernel[1] - 1) + 1,
        )

    def counts(self, x: Array) -> tuple[int, int]:
        """How many windows fit vertically and horizontally into `x`, not yet padded."""
        top, left, bottom, right = self.pads
        _, _, height, width = self.layout.split(x.shape)
        return (
            (height + top + bottom - self.reach[0]) // self.strides[0] + 1,
            (width + left + right - self.reach[1]) // self.strides[1] + 1,
        )

    def padded(self, x: Array, fill: float) -> Array:
        """`x` with its borders filled; `x` itself when there is nothing to add."""
        top, left, bottom, right = self.pads
        if not any(self.pads):
            return x
        batch, channels, height, width = self.layout.split(x.shape)
        shape = self.layout.shape(batch, channels, top + height + bottom, left + width + right)
        result = np.full(shape, fill, x.dtype)
        inside = (slice(top, top + height), slice(left, left + width))
        result[self._spatial(*inside)] = x
        return result

    def views(self, x: Array, fill: float) -> Iterator[tuple[int, Array]]:
        """For every tap in row-major order: its index, and what it sees of each window of `x`.

        The view has the layout of `x` and the window counts as its spatial extents.
        """
        rows, columns = self.counts(x)
        padded = self.padded(x, fill)
        for tap in range(self.taps):
            i, j = divmod(tap, self.kernel[1])
            yield tap, padded[self.placement(i, j, rows, columns)]

    def placement(self, i: int, j: int, rows: int, columns: int) -> tuple[slice, ...]:
        """The positions in a padded map of tap (i, j) of `rows` x `columns` windows."""
        top, left = i * self.dilations[0], j * self.dilations[1]
        stride_y, stride_x = self.strides
        return self._spatial(
            slice(top, top + (rows - 1) * stride_y + 1, stride_y),
            slice(left, left + (columns - 1) * stride_x + 1, stride_x),
        )

    def _spatial(self, rows: slice, columns: slice) -> tuple[slice, ...]:
        if self.layout is Layout.NCHW:
            return (slice(None), slice(None), rows, columns)
        return (slice(None), rows, columns, slice(None))


def window_sums(op: AvgPool, x: Array, fill: float) -> Array:
    """The sum of every window of `x`, in its element type, padding holding `fill`."""
    window = Window(op.kernel, op.strides, op.pads, (1, 1), op.layout)
    sums: Array | None = None
    for _, view in window.views(x, fill):
        sums = view.copy() if sums is None else np.add(sums, view, out=sums)
    assert sums is not None
    return sums


def window_counts(op: AvgPool, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """How many values each window averages over, broadcastable to the sums; never 0."""
    if op.count_include_pad or not any(op.pads):
        return np.array(op.kernel[0] * op.kernel[1])
    _, _, height, width = op.layout.split(shape)
    inside = np.ones(op.layout.shape(1, 1, height, width), np.int64)
    return np.maximum(window_sums(op, inside, 0), 1)
