"""Float resizing, with the coordinates of ONNX Resize."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpc.interp.call import Array, Call
from fpc.ir.ops import Coordinates, Interpolation, NearestRounding, Resize


def resize(call: Call[Resize], x: Array) -> Array:
    """`Resize`."""
    op = call.op
    for axis, size in zip(op.layout.spatial_axes, op.size, strict=True):
        at = source_coordinates(op.coordinates, x.shape[axis], size)
        if op.interpolation is Interpolation.NEAREST:
            x = np.take(x, nearest_indices(at, op.rounding, x.shape[axis]), axis=axis)
        else:
            x = _interpolate(x, at, axis)
    return x


def source_coordinates(kind: Coordinates, extent: int, size: int) -> NDArray[np.float32]:
    """Where each of `size` results lies among `extent` samples (ONNX Resize), in float32."""
    one, half = np.float32(1), np.float32(0.5)
    scale = np.float32(size) / np.float32(extent)
    i = np.arange(size, dtype=np.float32)
    match kind:
        case Coordinates.HALF_PIXEL:
            return (i + half) / scale - half
        case Coordinates.ASYMMETRIC:
            return i / scale
        case Coordinates.ALIGN_CORNERS:
            return i * np.float32(extent - 1) / max(np.float32(size - 1), one)


def nearest_indices(
    at: NDArray[np.float32], rounding: NearestRounding, extent: int
) -> NDArray[np.intp]:
    """The sample each coordinate is rounded to, kept inside the `extent` samples."""
    half = np.float32(0.5)
    match rounding:
        case NearestRounding.FLOOR:
            index = np.floor(at)
        case NearestRounding.CEIL:
            index = np.ceil(at)
        case NearestRounding.HALF_DOWN:
            index = np.ceil(at - half)
        case NearestRounding.HALF_UP:
            index = np.floor(at + half)
    return np.clip(index, 0, extent - 1).astype(np.intp)


def _interpolate(x: Array, at: NDArray[np.float32], axis: int) -> Array:
    extent = x.shape[axis]
    clipped = np.clip(at, 0, extent - 1)
    low = np.floor(clipped).astype(np.intp)
    high = np.minimum(low + 1, extent - 1)
    shape = [1] * x.ndim
    shape[axis] = -1
    share = (clipped - low).astype(x.dtype).reshape(shape)
    return np.take(x, low, axis=axis) * (1 - share) + np.take(x, high, axis=axis) * share
