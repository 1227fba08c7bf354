"""Exact integer sums on floating-point units.

BLAS has no integer matrix product. Sums of products of integers are exact in a float whose
significand holds every partial sum, in any order of summation.
"""

from __future__ import annotations

import numpy as np

from fpc.interp.call import Array
from fpc.ir.types import TensorType


def exact_float(bound: int) -> type[np.float32 | np.float64]:
    """The narrowest float in which sums of magnitude up to `bound` are exact.

    float64 holds every sum of int16 x int16 products with fewer than 2**23 terms.
    """
    return np.float32 if bound < 1 << 24 else np.float64


def magnitude_bound(x: TensorType, rows: Array, bias: Array | None) -> int:
    """The greatest |sum of (x - zero point) * row + bias| over rows of weights and any x."""
    zero_point = x.quantisation.zero_point
    farthest = max(x.dtype.maximum - zero_point, zero_point - x.dtype.minimum)
    sums = np.abs(rows.astype(np.int32)).sum(axis=1, dtype=np.int64) * farthest
    if bias is not None:
        sums = sums + np.abs(bias.astype(np.int64))
    return int(sums.max(initial=0))
