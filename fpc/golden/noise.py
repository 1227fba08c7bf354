"""Inputs made from a seed that are the same on every machine, for ever.

Bytes come from SHAKE128 (FIPS 202), which no library version can change, unlike a random number
generator's stream.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import TensorType


def noise_inputs(graph: Graph, seed: int, sample: int = 0) -> tuple[Array, ...]:
    """One array for every input of `graph`: floats in steps of 1/64 from [-2, 2), any integers."""
    return tuple(
        _noise(value.type, f"{seed}/{sample}/{index}") for index, value in enumerate(graph.inputs)
    )


def _noise(type: TensorType, key: str) -> Array:
    size = math.prod(type.shape)
    width = 1 if not type.dtype.is_integer else type.dtype.bits // 8
    stream = np.frombuffer(hashlib.shake_128(key.encode()).digest(size * width), np.uint8)
    if type.dtype.is_float:
        drawn = (stream.astype(np.float64) - 128) / 64
    elif type.dtype is DType.BOOL:
        drawn = stream & 1
    else:
        drawn = stream.view(type.dtype.numpy.newbyteorder("<"))
    return drawn.astype(type.dtype.numpy).reshape(type.shape)
