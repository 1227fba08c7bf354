"""Float matrix products."""

from __future__ import annotations

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.floating.clamp import clamp
from fpc.ir.ops import Dense, MatMul


def dense(call: Call[Dense], x: Array, w: Array, b: Array | None = None) -> Array:
    """`Dense` as one matrix product."""
    y = x @ w.T
    if b is not None:
        y += b
    return clamp(y, call.op.activation)


def matmul(call: Call[MatMul], a: Array, b: Array) -> Array:
    """`MatMul` with numpy's broadcasting."""
    del call
    return np.matmul(a, b)
