"""Convolutions, dense layers and products: exact sums, one shift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.correlation import correlate
from fpc.interp.integer.exact import exact_float, magnitude_bound
from fpc.interp.integer.fixed_point import broadcast_channels
from fpc.interp.power_of_two.shift import Integers, exponent, saturated, shifted
from fpc.interp.window import Window
from fpc.ir.ops import Conv2d, Dense, Mul


def conv2d(call: Call[Conv2d], x: Array, w: Array, b: Array | None = None) -> Array:
    """`Conv2d`, depthwise and grouped too."""
    op = call.op
    dtype = exact_float(magnitude_bound(call.operand(0), w.reshape(w.shape[0], -1), None))
    _, _, kernel_h, kernel_w = op.layout.split(w.shape)
    window = Window((kernel_h, kernel_w), op.strides, op.pads, op.dilations, op.layout)
    padded = window.padded(x, 0).astype(dtype)
    sums = correlate(replace(op, pads=(0, 0, 0, 0)), padded, w.astype(dtype)).astype(np.int64)
    if b is not None:
        sums += broadcast_channels(b.astype(np.int64), sums.ndim, op.layout.channel_axis)
    return _cut(call, sums)


def dense(call: Call[Dense], x: Array, w: Array, b: Array | None = None) -> Array:
    """`Dense`."""
    dtype = exact_float(magnitude_bound(call.operand(0), w, None))
    sums = (x.astype(dtype) @ w.astype(dtype).T).astype(np.int64)
    return _cut(call, sums if b is None else sums + b)


def mul(call: Call[Mul], a: Array, b: Array) -> Array:
    """`Mul`."""
    return _cut(call, a.astype(np.int64) * b)


def _cut(call: Call[Conv2d] | Call[Dense] | Call[Mul], sums: Integers) -> Array:
    places = exponent(call.result) - exponent(call.operand(0)) - exponent(call.operand(1))
    return saturated(shifted(sums, places), call.result, call.op.activation)
