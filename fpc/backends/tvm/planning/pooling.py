"""Means and pools."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from fpc.backends.tvm.assembler import Stored
from fpc.backends.tvm.buffer import Buffer
from fpc.backends.tvm.kernels import pool
from fpc.backends.tvm.kernels.mean import Mean
from fpc.backends.tvm.kernels.window import Window
from fpc.backends.tvm.planning.movement import transposed
from fpc.backends.tvm.planning.site import Site
from fpc.interp.integer.pooling import xnnpack_mean_factors
from fpc.interp.window import window_counts
from fpc.ir.constant import Array
from fpc.ir.ops import AvgPool, GlobalAvgPool, MaxPool, ReduceMean

SiteOfMean: TypeAlias = Site[GlobalAvgPool] | Site[ReduceMean]
MeanOfRows: TypeAlias = Callable[[SiteOfMean, Stored, Buffer, int], Stored]
"""The mean of so many neighbouring rows, stored in some way."""


def global_avg_pool(site: Site[GlobalAvgPool]) -> None:
    """`GlobalAvgPool`."""
    site.require_int8()
    pool_globally(site, _mean)


def pool_globally(site: Site[GlobalAvgPool], mean: MeanOfRows) -> None:
    """Let the result be the mean over the positions of every map."""
    count = math.prod(site.type().shape[1:-1])
    made = mean(site, site.operand(), site.result, count)
    site.assembler.define(site.node.output, made)


def reduce_mean(site: Site[ReduceMean]) -> None:
    """`ReduceMean`."""
    site.require_int8()
    reduce_by(site, _mean)


def reduce_by(site: Site[ReduceMean], mean: MeanOfRows) -> None:
    """Let the result be the mean over the op's axes, brought side by side before the others."""
    shape, axes = site.type().shape, site.op.axes
    count = math.prod(shape[axis] for axis in axes)
    x, stored = site.operand(), site.result
    if axes != tuple(range(1, len(shape) - 1)):
        kept = [axis for axis in range(len(shape)) if axis not in axes]
        rest = math.prod(shape[axis] for axis in kept)
        matrix, stored = (
            site.assembler.storage(site.type().with_shape((rows, rest))) for rows in (count, 1)
        )
        x = site.assembler.copied(transposed(site, shape, [*axes, *kept]), matrix)
    made = mean(site, x, stored, count)
    site.assembler.define(site.node.output, site.assembler.copied(made, site.result))


def _mean(site: SiteOfMean, x: Stored, stored: Buffer, count: int) -> Stored:
    quants = site.type().quantisation, site.node.output.type.quantisation
    factors = np.array(xnnpack_mean_factors(*quants, count), np.float32)
    return site.assembler.call(Mean(x.buffer, stored, count), [x], [factors])


def max_pool(site: Site[MaxPool]) -> None:
    """`MaxPool`."""
    site.require_integers()
    x, op = site.operand(), site.op
    site.emit(pool.MaxPool(x.buffer, site.result, window_of(site, op.dilations)), [x])


def avg_pool(site: Site[AvgPool]) -> None:
    """`AvgPool`."""
    site.require_integers()
    x, op, source = site.operand(), site.op, site.type()
    window = window_of(site, (1, 1))
    counts = counts_of(site, window)
    held = source.quantisation.zero_point if op.count_include_pad else 0
    numbers = [counts.astype(np.int32), np.array([held + x.buffer.offset], np.int32)]
    site.emit(pool.MeanPool(x.buffer, site.result, window), [x], numbers)


def counts_of(site: Site[AvgPool], window: Window) -> Array:
    """How many elements each window of a map averages over, [rows, columns]."""
    counts = window_counts(site.op, (1, *site.type().shape[1:]))
    return np.broadcast_to(counts.reshape(counts.shape[1:3] or (1, 1)), window.count)


def window_of(site: Site[MaxPool] | Site[AvgPool], dilations: tuple[int, int]) -> Window:
    """How a pool's window slides."""
    op, (batch, height, width, _) = site.op, site.type().shape
    _, rows, columns, _ = site.node.output.type.shape
    extent, count = (height, width), (rows, columns)
    return Window(batch, extent, count, op.kernel, op.strides, dilations, op.pads[:2])
