"""Padding of sliding windows: SAME, VALID, or a PAD operator before VALID."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from fpc.backends.tflite.lowering.assembler import Operand
from fpc.backends.tflite.lowering.primitives import pad_with_zeros
from fpc.backends.tflite.lowering.site import Site
from fpc.backends.tflite.model import Padding
from fpc.ir.op import Op

Pads: TypeAlias = tuple[int, int, int, int]
"""Rows and columns added at the top, left, bottom and right."""


@dataclass(frozen=True)
class Window:
    """How a window walks over an NHWC feature map; pairs are (vertical, horizontal)."""

    reach: tuple[int, int]
    strides: tuple[int, int]
    pads: Pads

    def needed_pads(self, shape: tuple[int, ...]) -> Pads:
        """The pads that some window touches: strides can leave the last rows unread."""
        top, bottom = self._needed(shape[1], 0)
        left, right = self._needed(shape[2], 1)
        return top, left, bottom, right

    def is_same(self, shape: tuple[int, ...]) -> bool:
        """Whether the pads are those of TensorFlow's SAME."""
        top, left, bottom, right = self.needed_pads(shape)
        return (top, bottom) == self._same(shape[1], 0) and (left, right) == self._same(shape[2], 1)

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


def spatial_widths(pads: Pads) -> list[tuple[int, int]]:
    """What is added before and after every axis of an NHWC feature map."""
    top, left, bottom, right = pads
    return [(0, 0), (top, bottom), (left, right), (0, 0)]


def resolve_padding(site: Site[Op], x: Operand, window: Window) -> tuple[Operand, Padding]:
    """The operand a window op reads and the padding it states, a PAD added where neither fits.

    Padding counts as zeros in every case, which holds for convolutions.
    """
    pads = window.needed_pads(x.type.shape)
    if not any(pads):
        return x, Padding.VALID
    if window.is_same(x.type.shape):
        return x, Padding.SAME
    return pad_with_zeros(site, x, spatial_widths(pads)), Padding.VALID
