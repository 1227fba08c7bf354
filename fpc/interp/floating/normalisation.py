"""Float normalisations."""

from __future__ import annotations

import numpy as np

from fpc.interp.call import Array, Call
from fpc.ir.ops import BatchNorm, LocalResponseNorm


def batch_norm(
    call: Call[BatchNorm],
    x: Array,
    scale: Array,
    bias: Array,
    mean: Array,
    variance: Array,
) -> Array:
    """`BatchNorm` as one multiply-add, its factors computed in float64."""
    factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + call.op.epsilon)
    offset = bias - mean * factor
    shape = [1] * x.ndim
    shape[call.op.axis] = -1
    y = x * factor.astype(x.dtype).reshape(shape)
    y += offset.astype(x.dtype).reshape(shape)
    return y


def local_response_norm(call: Call[LocalResponseNorm], x: Array) -> Array:
    """`LocalResponseNorm`; a window of even size reaches one channel further up than down."""
    op, axis = call.op, call.op.layout.channel_axis
    channels = x.shape[axis]
    below, above = (op.size - 1) // 2, op.size // 2
    sums = np.zeros(x.shape, np.float64)
    squares = np.moveaxis(np.square(x, dtype=np.float64), axis, 0)
    target = np.moveaxis(sums, axis, 0)
    for shift in range(-below, above + 1):
        low, high = max(0, -shift), min(channels, channels - shift)
        if low < high:
            target[low:high] += squares[low + shift : high + shift]
    return (x / (op.bias + op.alpha / op.size * sums) ** op.beta).astype(x.dtype)
