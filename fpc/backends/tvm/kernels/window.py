"""Sliding windows over stored feature maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

from fpc.backends.tvm.buffer import Buffer, round_up
from fpc.backends.tvm.library import Expression, Library, Tensor

Reading: TypeAlias = Callable[[Expression, Expression, Expression, Expression], Expression]
"""An element by image, row, column and channel."""


@dataclass(frozen=True)
class Window:
    """A kernel of taps that slides over NHWC maps; pairs are (vertical, horizontal).

    `pads` are (top, left); what is added at the bottom and right follows from `count`, the number
    of windows.
    """

    batch: int
    extent: tuple[int, int]
    count: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int] = (0, 0)

    @classmethod
    def over_rows(cls, rows: int) -> Self:
        """One tap on each of `rows` rows: what makes a pointwise convolution a matrix product."""
        return cls(1, (1, rows), (1, rows), (1, 1))

    @property
    def taps(self) -> int:
        """How many taps the kernel has."""
        return self.kernel[0] * self.kernel[1]

    @property
    def lines(self) -> int:
        """How many lines of windows there are, of all images."""
        return self.batch * self.count[0]

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns that all windows of an image together touch, padding included."""
        return self.touched_by(self.count)

    def touched_by(self, count: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns from the first to the last that so many neighbouring windows touch."""
        return self._touched_by(count, 0), self._touched_by(count, 1)

    def _touched_by(self, count: tuple[int, int], axis: int) -> int:
        last = (count[axis] - 1) * self.strides[axis]
        return last + self.dilations[axis] * (self.kernel[axis] - 1) + 1

    @property
    def is_padded(self) -> bool:
        """Whether some window touches padding."""
        return any(
            self.pads[axis] > 0 or self.reach[axis] > self.pads[axis] + self.extent[axis]
            for axis in (0, 1)
        )

    def tap_axes(self, library: Library) -> tuple[Expression, Expression]:
        """The indices of taps that reductions run over, vertical and horizontal."""
        return library.reduce_axis(self.kernel[0], "i"), library.reduce_axis(self.kernel[1], "j")

    def row(self, line: Expression, tap: Expression) -> tuple[Expression, Expression]:
        """Image and padded row that a tap sees from line `line` of windows, of all images."""
        image, row = (0, line) if self.batch == 1 else (line // self.count[0], line % self.count[0])
        return image, row * self.strides[0] + tap * self.dilations[0]

    def column(self, position: Expression, tap: Expression) -> Expression:
        """The padded column that a tap sees from the window at `position` of a line."""
        return position * self.strides[1] + tap * self.dilations[1]

    def padded(
        self, library: Library, operand: Buffer, x: Tensor, like: Buffer, fill: Expression
    ) -> Reading:
        """A copy, the block `padded`, of what the windows touch of a map, of `like`'s columns.

        Elements are stored as `like` says; padding holds `fill`, and so do channels beyond the
        operand's.
        """
        element = self.reading(library, operand, x, like, fill, self.reach)
        copy = library.compute((self.batch, *self.reach, like.columns), element, "padded")
        return lambda image, row, column, channel: copy[image, row, column, channel]

    def padded_lines(
        self,
        library: Library,
        operand: Buffer,
        x: Tensor,
        like: Buffer,
        fill: Expression,
        beyond: int,
        multiple: int,
    ) -> Tensor:
        """The same as a tensor [image, row, element], pixels of a line side by side.

        Elements are as many as a multiple, `beyond` of them or more after the last that is touched,
        and some of them padding, so that it can be filled in apart from what is copied.
        """
        channels, (rows, columns) = operand.width, self.reach
        least = max(columns * channels + beyond, self.extent[1] * channels + 1)
        elements = round_up(least, multiple)
        touched = rows, -(-elements // channels)
        element = self.reading(library, operand, x, like, fill, touched)

        def of_line(image: Expression, row: Expression, at: Expression) -> Expression:
            return element(image, row, at // channels, at % channels)

        return library.compute((self.batch, rows, elements), of_line, "padded")

    def reading(
        self,
        library: Library,
        operand: Buffer,
        x: Tensor,
        like: Buffer,
        fill: Expression,
        touched: tuple[int, int],
    ) -> Reading:
        """The elements of `padded` where they lie, for rows and columns up to `touched`."""
        height, width = self.extent

        def element(
            image: Expression, row: Expression, column: Expression, channel: Expression
        ) -> Expression:
            at = (image * height + row - self.pads[0]) * width + column - self.pads[1]
            value = x[at, channel]
            if (operand.dtype, operand.offset) != (like.dtype, like.offset):
                integer = library.integer_at(operand, x, at, channel) + like.offset
                value = library.cast(integer, like.dtype)
            inside = self._inside((row, column), touched)
            if like.columns > operand.columns:
                inside.append(channel < operand.columns)
            if not inside:
                return value
            return library.where(library.every(inside), value, library.cast(fill, like.dtype))

        return element

    def _inside(
        self, position: tuple[Expression, Expression], touched: tuple[int, int]
    ) -> list[Expression]:
        """The conditions under which a padded position lies on the map."""
        conditions: list[Expression] = []
        for axis, at in enumerate(position):
            pad, extent = self.pads[axis], self.extent[axis]
            if pad > 0:
                conditions.append(at >= pad)
            if touched[axis] > pad + extent:
                conditions.append(at < pad + extent)
        return conditions
