"""Sums of products under convolutions, in whatever element type the operands have.

Floating-point and integer convolution share these: an integer kernel hands over integers held in
floats wide enough for exact sums. Batches are cut so that the buffers of patches stay small.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fpc.interp.call import Array
from fpc.interp.window import Window
from fpc.ir.op import Layout
from fpc.ir.ops import Conv2d, ConvTranspose2d

_PATCH_BYTES = 32 << 20
_BAND_ELEMENTS = 1 << 15


def correlate(op: Conv2d, x: Array, w: Array, fill: float = 0.0) -> Array:
    """The responses of the filters `w` on `x`, whose padding is `fill`; no bias, no activation.

    x: feature map in the op's layout; w: OIHW or OHWI as in `Conv2d`, of the element type of x.
    """
    channels = x.shape[op.layout.channel_axis]
    _, group_channels, kernel_h, kernel_w = op.layout.split(w.shape)
    window = Window((kernel_h, kernel_w), op.strides, op.pads, op.dilations, op.layout)
    if op.groups == 1:
        dense = _dense_nchw if op.layout is Layout.NCHW else _dense_nhwc
        return _by_image(dense, x, w, window, fill)
    if op.groups == channels and group_channels == 1:
        depthwise = _depthwise_nchw if op.layout is Layout.NCHW else _depthwise_nhwc
        return depthwise(x, w, window, fill)
    grouped = _grouped_nchw if op.layout is Layout.NCHW else _grouped_nhwc
    return _by_image(grouped, x, w, window, fill)


def _by_image(
    kernel: Callable[[Array, Array, Window, float], Array],
    x: Array,
    w: Array,
    window: Window,
    fill: float,
) -> Array:
    rows, columns = window.counts(x)
    channels = x.shape[window.layout.channel_axis]
    patch_bytes = rows * columns * channels * window.taps * x.itemsize
    images = max(1, _PATCH_BYTES // max(patch_bytes, 1))
    if images >= x.shape[0]:
        return kernel(x, w, window, fill)
    out_channels = w.shape[0]
    result = np.empty(window.layout.shape(x.shape[0], out_channels, rows, columns), x.dtype)
    for start in range(0, x.shape[0], images):
        chunk = slice(start, start + images)
        result[chunk] = kernel(x[chunk], w, window, fill)
    return result


def _patches_nchw(x: Array, window: Window, fill: float) -> Array:
    """[N, C, taps, rows, columns]."""
    rows, columns = window.counts(x)
    patches = np.empty((x.shape[0], x.shape[1], window.taps, rows, columns), x.dtype)
    for tap, view in window.views(x, fill):
        patches[:, :, tap] = view
    return patches


def _patches_nhwc(x: Array, window: Window, fill: float) -> Array:
    """[N, rows, columns, taps, C]."""
    rows, columns = window.counts(x)
    patches = np.empty((x.shape[0], rows, columns, window.taps, x.shape[3]), x.dtype)
    for tap, view in window.views(x, fill):
        patches[:, :, :, tap] = view
    return patches


def _dense_nchw(x: Array, w: Array, window: Window, fill: float) -> Array:
    rows, columns = window.counts(x)
    patches = next(window.views(x, fill))[1] if window.taps == 1 else _patches_nchw(x, window, fill)
    matrix = patches.reshape(x.shape[0], -1, rows * columns)
    return np.matmul(w.reshape(w.shape[0], -1), matrix).reshape(x.shape[0], -1, rows, columns)


def _dense_nhwc(x: Array, w: Array, window: Window, fill: float) -> Array:
    rows, columns = window.counts(x)
    patches = next(window.views(x, fill))[1] if window.taps == 1 else _patches_nhwc(x, window, fill)
    matrix = patches.reshape(x.shape[0] * rows * columns, -1)
    return (matrix @ w.reshape(w.shape[0], -1).T).reshape(x.shape[0], rows, columns, -1)


def _depthwise_nchw(x: Array, w: Array, window: Window, fill: float) -> Array:
    """By way of NHWC, where the innermost loops run over all channels."""
    images = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    channels_last = replace(window, layout=Layout.NHWC)
    responses = _depthwise_nhwc(images, w.transpose(0, 2, 3, 1), channels_last, fill)
    return np.ascontiguousarray(responses.transpose(0, 3, 1, 2))


def _depthwise_nhwc(x: Array, w: Array, window: Window, fill: float) -> Array:
    """Shifted multiply-adds, one a tap; output channel c * multiplier + m filters channel c.

    Rows are done in bands that stay in the cache over all taps.
    """
    rows, columns = window.counts(x)
    batch, channels = x.shape[0], x.shape[3]
    multiplier = w.shape[0] // channels
    taps = w.reshape(channels, multiplier, window.taps).transpose(2, 0, 1)
    shape = (rows, columns, channels, multiplier)
    if multiplier == 1:
        taps, shape = np.ascontiguousarray(taps[:, :, 0]), shape[:3]
    result = np.empty((batch, *shape), x.dtype)
    band = max(1, _BAND_ELEMENTS // math.prod(shape[1:]))
    product = np.empty((band, *shape[1:]), x.dtype)
    views = [view for _, view in window.views(x, fill)]
    if multiplier > 1:
        views = [view[..., None] for view in views]
    for image in range(batch):
        for top in range(0, rows, band):
            total = result[image, top : top + band]
            scratch = product[: total.shape[0]]
            np.multiply(views[0][image, top : top + band], taps[0], out=total)
            for view, tap in zip(views[1:], taps[1:], strict=True):
                total += np.multiply(view[image, top : top + band], tap, out=scratch)
    return result.reshape(batch, rows, columns, w.shape[0])


def _grouped_nchw(x: Array, w: Array, window: Window, fill: float) -> Array:
    rows, columns = window.counts(x)
    groups = x.shape[1] // w.shape[1]
    matrix = _patches_nchw(x, window, fill).reshape(x.shape[0], groups, -1, rows * columns)
    filters = w.reshape(groups, w.shape[0] // groups, -1)
    return np.matmul(filters, matrix).reshape(x.shape[0], w.shape[0], rows, columns)


def _grouped_nhwc(x: Array, w: Array, window: Window, fill: float) -> Array:
    rows, columns = window.counts(x)
    batch, group_channels = x.shape[0], w.shape[3]
    groups = x.shape[3] // group_channels
    patches = _patches_nhwc(x, window, fill).reshape(
        batch, rows * columns, window.taps, groups, group_channels
    )
    matrix = patches.transpose(0, 3, 1, 2, 4).reshape(batch, groups, rows * columns, -1)
    filters = w.reshape(groups, w.shape[0] // groups, -1).transpose(0, 2, 1)
    responses = np.matmul(matrix, filters).transpose(0, 2, 1, 3)
    return responses.reshape(batch, rows, columns, w.shape[0])


def scatter(op: ConvTranspose2d, x: Array, w: Array) -> Array:
    """The filters `w` laid out on the result at every pixel of `x`, weighted by it, and summed.

    x: feature map in the op's layout; w: OIHW or OHWI as in `ConvTranspose2d`. No bias.
    """
    images = np.moveaxis(x, op.layout.channel_axis, -1)
    batch, height, width, _ = images.shape
    taps_first = w.transpose(2, 3, 0, 1) if op.layout is Layout.NCHW else w.transpose(1, 2, 0, 3)
    kernel_h, kernel_w, out_channels, group_channels = taps_first.shape
    window = Window((kernel_h, kernel_w), op.strides, (0, 0, 0, 0), op.dilations, Layout.NHWC)
    full = np.zeros(
        (
            batch,
            (height - 1) * op.strides[0] + window.reach[0] + op.output_pads[0],
            (width - 1) * op.strides[1] + window.reach[1] + op.output_pads[1],
            out_channels,
        ),
        x.dtype,
    )
    group_out = out_channels // op.groups
    pixels = images.reshape(-1, op.groups, group_channels).transpose(1, 0, 2)
    for tap in range(window.taps):
        i, j = divmod(tap, kernel_w)
        filters = taps_first[i, j].reshape(op.groups, group_out, group_channels)
        stamped = np.matmul(pixels, filters.transpose(0, 2, 1)).transpose(1, 0, 2)
        full[window.placement(i, j, height, width)] += stamped.reshape(
            batch, height, width, out_channels
        )
    top, left, bottom, right = op.pads
    cropped = full[:, top : full.shape[1] - bottom, left : full.shape[2] - right]
    return cropped if op.layout is Layout.NHWC else np.moveaxis(cropped, -1, 1)
