"""Float convolutions."""

from __future__ import annotations

from fpc.interp.call import Array, Call
from fpc.interp.correlation import correlate, scatter
from fpc.interp.floating.clamp import clamp
from fpc.ir.op import Layout
from fpc.ir.ops import Conv2d, ConvTranspose2d


def conv2d(call: Call[Conv2d], x: Array, w: Array, b: Array | None = None) -> Array:
    """`Conv2d` by patches and matrix products, or by shifted multiply-adds when depthwise."""
    return _finish(call.op, correlate(call.op, x, w), b)


def conv_transpose2d(
    call: Call[ConvTranspose2d], x: Array, w: Array, b: Array | None = None
) -> Array:
    """`ConvTranspose2d` by scattering one matrix product a tap."""
    return _finish(call.op, scatter(call.op, x, w), b)


def _finish(op: Conv2d | ConvTranspose2d, y: Array, b: Array | None) -> Array:
    if b is not None:
        y += b if op.layout is Layout.NHWC else b[:, None, None]
    return clamp(y, op.activation)
