"""Float functions of two values."""

from __future__ import annotations

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.floating.clamp import clamp
from fpc.ir.ops import Add, Div, Maximum, Minimum, Mul, Sub


def add(call: Call[Add], a: Array, b: Array) -> Array:
    """`Add`."""
    return clamp(np.add(a, b), call.op.activation)


def sub(call: Call[Sub], a: Array, b: Array) -> Array:
    """`Sub`."""
    return clamp(np.subtract(a, b), call.op.activation)


def mul(call: Call[Mul], a: Array, b: Array) -> Array:
    """`Mul`."""
    return clamp(np.multiply(a, b), call.op.activation)


def div(call: Call[Div], a: Array, b: Array) -> Array:
    """`Div`; integers truncate towards zero as ONNX says."""
    if np.issubdtype(a.dtype, np.integer):
        return np.trunc(np.divide(a, b)).astype(a.dtype)
    return clamp(np.divide(a, b), call.op.activation)


def maximum(call: Call[Maximum], a: Array, b: Array) -> Array:
    """`Maximum`."""
    del call
    return np.maximum(a, b)


def minimum(call: Call[Minimum], a: Array, b: Array) -> Array:
    """`Minimum`."""
    del call
    return np.minimum(a, b)
