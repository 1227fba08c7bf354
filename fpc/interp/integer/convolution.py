"""Quantised convolutions.

Sources: TensorFlow Lite `reference/integer_ops/{conv,depthwise_conv,transpose_conv}.h`; XNNPACK
`operators/{convolution,deconvolution}-nhwc.c` and its `qs8_qc8w` microkernels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.correlation import correlate, scatter
from fpc.interp.integer.exact import exact_float, magnitude_bound
from fpc.interp.integer.fixed_point import broadcast_channels
from fpc.interp.integer.rescale import (
    activation_range,
    effective_scales,
    effective_scales_float32,
    requantise_fixed_point,
    requantise_float32,
)
from fpc.interp.numerics import Numerics
from fpc.interp.window import Window
from fpc.ir.dtype import DType
from fpc.ir.ops import Conv2d, ConvTranspose2d


def conv2d(call: Call[Conv2d], x: Array, w: Array, b: Array | None = None) -> Array:
    """`Conv2d` (depthwise and grouped too): exact sums, then requantisation by channel.

    Padding is the zero point of x, real zero.
    """
    op, source = call.op, call.operand(0)
    dtype = exact_float(magnitude_bound(source, w.reshape(w.shape[0], -1), b))
    _, _, kernel_h, kernel_w = op.layout.split(w.shape)
    window = Window((kernel_h, kernel_w), op.strides, op.pads, op.dilations, op.layout)
    padded = window.padded(x, source.quantisation.zero_point).astype(dtype)
    sums = correlate(replace(op, pads=(0, 0, 0, 0)), padded, w.astype(dtype))
    weight_sums = w.astype(np.int64).sum(axis=(1, 2, 3), keepdims=True).ravel()
    zero_sums = weight_sums * source.quantisation.zero_point
    return _finish(call, sums, -zero_sums if b is None else b - zero_sums)


def conv_transpose2d(
    call: Call[ConvTranspose2d], x: Array, w: Array, b: Array | None = None
) -> Array:
    """`ConvTranspose2d`: exact sums, then requantisation by channel."""
    source = call.operand(0)
    dtype = exact_float(magnitude_bound(source, w.reshape(w.shape[0], -1), b))
    centred = x.astype(dtype) - dtype(source.quantisation.zero_point)
    sums = scatter(call.op, centred, w.astype(dtype))
    return _finish(call, sums, np.zeros(1, np.int64) if b is None else b)


def _finish(call: Call[Conv2d | ConvTranspose2d], sums: Array, offsets: Array) -> Array:
    """Sums plus one integer a channel, requantised."""
    axis = call.op.layout.channel_axis
    x, w, y = call.operand(0).quantisation, call.operand(1).quantisation, call.result.quantisation
    limits = activation_range(call.result, call.op.activation, call.numerics)
    offsets = broadcast_channels(offsets, sums.ndim, axis)
    if call.numerics is Numerics.TFLITE_XNNPACK and call.result.dtype is not DType.I16:
        factors = broadcast_channels(effective_scales_float32(x, w, y), sums.ndim, axis)
        return requantise_float32(sums, offsets, factors, call.result, limits)
    factors = broadcast_channels(effective_scales(x, w, y), sums.ndim, axis)
    return requantise_fixed_point(sums, offsets, factors, call.result, limits)
