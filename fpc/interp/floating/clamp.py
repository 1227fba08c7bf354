"""The clamp fused into an op, on real values."""

from __future__ import annotations

import numpy as np

from fpc.interp.call import Array
from fpc.ir.op import Activation


def clamp(x: Array, activation: Activation) -> Array:
    """`x` limited to the bounds of a fused activation, in place where there is one."""
    low, high = activation.bounds
    if low is None and high is None:
        return x
    return np.clip(x, low, high, out=x)
