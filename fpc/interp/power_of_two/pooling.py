"""Means whose divisor is a fraction with a power of two below, as a DPU's pool engine has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from fpc.interp.call import Array, Call
from fpc.interp.power_of_two.shift import Integers, exponent, saturated, shifted
from fpc.interp.window import window_counts, window_sums
from fpc.ir.ops import AvgPool, GlobalAvgPool, ReduceMean

_RECIPROCALS: Mapping[int, tuple[int, int]] = MappingProxyType(
    {9: (7, 6), 25: (10, 8), 36: (7, 8), 49: (21, 10), 196: (21, 12)}
)
"""k and n of the windows that the engine knows: 3 x 3, 5 x 5, 6 x 6, 7 x 7 and 14 x 14."""


def reciprocal(count: int) -> tuple[int, int]:
    """k and n such that k / 2**n stands for 1 / `count`.

    Fixed for the common square windows (7 / 64 for 3 x 3); for others k = round(2**n / count) with
    the first n below 7 + ceil(log2(count)) that comes closest. Source: Xilinx Vitis AI, the average
    pools of its quantisers.
    """
    if count in _RECIPROCALS:
        return _RECIPROCALS[count]
    bits = range(7 + math.ceil(math.log2(count)))
    candidates = [(round(2**n / count), n) for n in bits]
    return min(candidates, key=lambda pair: abs(pair[0] / 2 ** pair[1] - 1 / count))


def avg_pool(call: Call[AvgPool], x: Array) -> Array:
    """`AvgPool`; every window is divided by the number of values it averages over."""
    sums = window_sums(call.op, x.astype(np.int64), 0)
    counts = np.broadcast_to(window_counts(call.op, x.shape), sums.shape)
    means = np.empty_like(sums)
    for count in np.unique(counts).tolist():
        chosen = counts == count
        means[chosen] = _mean(sums[chosen], count, 0)
    return saturated(means, call.result)


def global_avg_pool(call: Call[GlobalAvgPool], x: Array) -> Array:
    """`GlobalAvgPool`."""
    return _reduced(call, x, call.op.layout.spatial_axes, keep_dims=True)


def reduce_mean(call: Call[ReduceMean], x: Array) -> Array:
    """`ReduceMean`."""
    return _reduced(call, x, call.op.axes, keep_dims=call.op.keep_dims)


def _reduced(
    call: Call[GlobalAvgPool] | Call[ReduceMean],
    x: Array,
    axes: tuple[int, ...],
    *,
    keep_dims: bool,
) -> Array:
    sums = x.sum(axis=axes, keepdims=keep_dims, dtype=np.int64)
    count = math.prod(x.shape[axis] for axis in axes)
    places = exponent(call.result) - exponent(call.operand(0))
    return saturated(_mean(np.asarray(sums), count, places), call.result)


def _mean(sums: Integers, count: int, places: int) -> Integers:
    factor, bits = reciprocal(count)
    return shifted(sums * factor, places + bits)
