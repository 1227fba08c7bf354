"""Float resizing, with the coordinates of ONNX Resize."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpc.interp.call import Array, Call
from fpc.ir.ops import Interpolation, Resize
from fpc.ir.resampling import nearest_indices, source_coordinates


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


def _interpolate(x: Array, at: NDArray[np.float32], axis: int) -> Array:
    extent = x.shape[axis]
    clipped = np.clip(at, 0, extent - 1)
    low = np.floor(clipped).astype(np.intp)
    high = np.minimum(low + 1, extent - 1)
    shape = [1] * x.ndim
    shape[axis] = -1
    share = (clipped - low).astype(x.dtype).reshape(shape)
    return np.take(x, low, axis=axis) * (1 - share) + np.take(x, high, axis=axis) * share
