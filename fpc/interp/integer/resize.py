"""Quantised resizing.

Sources: TensorFlow Lite `reference/resize_bilinear.h`, `reference/resize_nearest_neighbor.h`;
XNNPACK `operators/resize-bilinear-nhwc.c`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fpc.interp.call import Array, Call
from fpc.interp.integer.fixed_point import Integers
from fpc.interp.numerics import Numerics
from fpc.ir.dtype import DType
from fpc.ir.ops import Coordinates, Interpolation, NearestRounding, Resize
from fpc.ir.resampling import nearest_indices, source_coordinates

_TFLITE_NEAREST = {
    Coordinates.HALF_PIXEL: NearestRounding.HALF_UP,
    Coordinates.ALIGN_CORNERS: NearestRounding.HALF_UP,
    Coordinates.ASYMMETRIC: NearestRounding.FLOOR,
}


def resize(call: Call[Resize], x: Array) -> Array:
    """`Resize`."""
    if call.op.interpolation is Interpolation.NEAREST:
        for axis, size in zip(call.op.layout.spatial_axes, call.op.size, strict=True):
            x = np.take(x, nearest_source(call.op, x.shape[axis], size), axis=axis)
        return x
    return _bilinear(call, x)


def nearest_source(op: Resize, extent: int, size: int) -> NDArray[np.intp]:
    """Source indices, with TensorFlow Lite's float32 arithmetic where it has the variant."""
    if op.rounding is not _TFLITE_NEAREST[op.coordinates]:
        return nearest_indices(
            source_coordinates(op.coordinates, extent, size), op.rounding, extent
        )
    i = np.arange(size, dtype=np.float32)
    if op.coordinates is Coordinates.ALIGN_CORNERS:
        scale = np.float32(extent - 1) / np.float32(size - 1) if size > 1 else np.float32(0)
        index = np.floor(i * scale + np.float32(0.5))
    else:
        scale = np.float32(extent) / np.float32(size)
        offset = np.float32(0.5) if op.coordinates is Coordinates.HALF_PIXEL else np.float32(0)
        index = np.floor((i + offset) * scale)
    return np.clip(index, 0, extent - 1).astype(np.intp)


class Blend(NamedTuple):
    """Where results lie between samples: `share` of `high`, `one - share` of `low`."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    share: Integers
    one: int


def _bilinear(call: Call[Resize], x: Array) -> Array:
    """Both axes at once: the sum of four products, rounded once."""
    op = call.op
    xnnpack = call.numerics is Numerics.TFLITE_XNNPACK and call.result.dtype is not DType.I16
    blend = xnnpack_blend if xnnpack else reference_blend
    row_axis, column_axis = op.layout.spatial_axes
    rows = blend(op.coordinates, x.shape[row_axis], op.size[0])
    columns = blend(op.coordinates, x.shape[column_axis], op.size[1])
    total = _mix(_mix(x.astype(np.int64), columns, column_axis), rows, row_axis)
    unit = rows.one * columns.one
    if xnnpack:
        return ((total + unit // 2) // unit).astype(x.dtype)
    rounding = np.where(total > 0, unit // 2, -unit // 2)
    return (np.sign(total) * (np.abs(total + rounding) // unit)).astype(x.dtype)


def _mix(x: Integers, blend: Blend, axis: int) -> Integers:
    shape = [1] * x.ndim
    shape[axis] = -1
    share = blend.share.reshape(shape)
    low, high = np.take(x, blend.low, axis=axis), np.take(x, blend.high, axis=axis)
    return low * (blend.one - share) + high * share


def reference_blend(coordinates: Coordinates, extent: int, size: int) -> Blend:
    """Coordinates in 10 fractional bits, not clamped: shares beyond the edges cancel out."""
    one = 1 << 10
    scale = (one * extent + size // 2) // size
    if coordinates is Coordinates.ALIGN_CORNERS and size > 1:
        scale = (one * (extent - 1) + (size - 1) // 2) // (size - 1)
    at = np.arange(size, dtype=np.int64) * scale
    if coordinates is Coordinates.HALF_PIXEL:
        at += scale // 2 - one // 2
    low = np.maximum(np.sign(at) * (np.abs(at) // one), 0)
    above = at + one - 1
    high = np.minimum(np.sign(above) * (np.abs(above) // one), extent - 1)
    return Blend(low.astype(np.intp), high.astype(np.intp), at - one * low, one)


def xnnpack_blend(coordinates: Coordinates, extent: int, size: int) -> Blend:
    """Coordinates in float32, clamped, the share in 11 fractional bits."""
    one = 1 << 11
    scale = np.float32(extent) / np.float32(size)
    if coordinates is Coordinates.ALIGN_CORNERS and size > 1:
        scale = np.float32(extent - 1) / np.float32(size - 1)
    at = np.arange(size, dtype=np.float32) * scale
    if coordinates is Coordinates.HALF_PIXEL:
        at += np.float32(0.5) * scale - np.float32(0.5)
    at = np.clip(at, 0, extent - 1)
    low = np.floor(at).astype(np.intp)
    share = np.rint((at - low.astype(np.float32)) * np.float32(one)).astype(np.int64)
    return Blend(low, np.minimum(low + 1, extent - 1), share, one)
