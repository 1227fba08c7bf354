"""Float pooling and means."""

from __future__ import annotations

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.window import Window, window_counts, window_sums
from fpc.ir.ops import AvgPool, GlobalAvgPool, MaxPool, ReduceMean


def max_pool(call: Call[MaxPool], x: Array) -> Array:
    """`MaxPool`; integers pool as they are."""
    op = call.op
    window = Window(op.kernel, op.strides, op.pads, op.dilations, op.layout)
    lowest = np.iinfo(x.dtype).min if np.issubdtype(x.dtype, np.integer) else -np.inf
    result: Array | None = None
    for _, view in window.views(x, lowest):
        result = view.copy() if result is None else np.maximum(result, view, out=result)
    assert result is not None
    return result


def avg_pool(call: Call[AvgPool], x: Array) -> Array:
    """`AvgPool`."""
    return window_sums(call.op, x, 0) / window_counts(call.op, x.shape).astype(x.dtype)


def global_avg_pool(call: Call[GlobalAvgPool], x: Array) -> Array:
    """`GlobalAvgPool`, summed in float64."""
    axes = call.op.layout.spatial_axes
    return x.mean(axis=axes, keepdims=True, dtype=np.float64).astype(x.dtype)


def reduce_mean(call: Call[ReduceMean], x: Array) -> Array:
    """`ReduceMean`, summed in float64."""
    op = call.op
    return x.mean(axis=op.axes, keepdims=op.keep_dims, dtype=np.float64).astype(x.dtype)
