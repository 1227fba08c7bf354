"""Padding of sliding windows: SAME, VALID, or a PAD operator before VALID."""

from __future__ import annotations

from fpc.backends.tflite.lowering.assembler import Operand
from fpc.backends.tflite.lowering.primitives import pad_with_zeros
from fpc.backends.tflite.lowering.site import Site
from fpc.backends.tflite.model import Padding
from fpc.ir.op import Op
from fpc.ir.padding import PaddedWindow, Pads


def spatial_widths(pads: Pads) -> list[tuple[int, int]]:
    """What is added before and after every axis of an NHWC feature map."""
    top, left, bottom, right = pads
    return [(0, 0), (top, bottom), (left, right), (0, 0)]


def resolve_padding(site: Site[Op], x: Operand, window: PaddedWindow) -> tuple[Operand, Padding]:
    """The operand a window op reads and the padding it states, a PAD added where neither fits.

    Padding counts as zeros in every case, which holds for convolutions.
    """
    _, height, width, _ = x.type.shape
    pads = window.needed_pads((height, width))
    if not any(pads):
        return x, Padding.VALID
    if window.is_same((height, width)):
        return x, Padding.SAME
    return pad_with_zeros(site, x, spatial_widths(pads)), Padding.VALID
