"""Ops that move values: the same for floats and integers, under every numerics."""

from __future__ import annotations

import numpy as np

from fpc.diagnostics.errors import UsageError
from fpc.interp.call import Array, Call
from fpc.ir.op import Layout
from fpc.ir.ops import (
    Concat,
    DepthOrder,
    DepthToSpace,
    Pad,
    PadMode,
    Reshape,
    Slice,
    Split,
    Transpose,
)
from fpc.ir.types import TensorType


def concat(call: Call[Concat], *xs: Array) -> Array:
    """`Concat`; operands without the others' batch are repeated for it."""
    axis = call.op.axis
    if axis > 0:
        batch = max(x.shape[0] for x in xs)
        xs = tuple(np.broadcast_to(x, (batch, *x.shape[1:])) for x in xs)
    return np.concatenate(xs, axis=axis)


def split(call: Call[Split], x: Array) -> tuple[Array, ...]:
    """`Split`."""
    ends = np.cumsum(call.op.sizes)[:-1]
    return tuple(np.split(x, ends, axis=call.op.axis))


def slice_(call: Call[Slice], x: Array) -> Array:
    """`Slice`; a whole leading axis stays whole for batches of any size."""
    op = call.op
    bounds = [slice(*triple) for triple in zip(op.starts, op.ends, op.steps, strict=True)]
    if x.ndim and bounds[0] == slice(0, call.operand(0).shape[0], 1):
        bounds[0] = slice(None)
    return x[tuple(bounds)]


def pad(call: Call[Pad], x: Array) -> Array:
    """`Pad`; the fill of a quantised tensor is the nearest integer to the real value."""
    op = call.op
    widths = list(zip(op.before, op.after, strict=True))
    match op.mode:
        case PadMode.CONSTANT:
            return np.pad(x, widths, constant_values=fill_of(call.op, call.operand(0)))
        case PadMode.REFLECT:
            return np.pad(x, widths, mode="reflect")
        case PadMode.EDGE:
            return np.pad(x, widths, mode="edge")


def fill_of(op: Pad, x: TensorType) -> float:
    """What constant padding of `x` holds: a real, or the integer nearest to it."""
    if x.quant is None:
        return op.value
    nearest = x.quant.zero_point + round(op.value / x.quant.scale)
    return min(max(nearest, x.dtype.minimum), x.dtype.maximum)


def reshape(call: Call[Reshape], x: Array) -> Array:
    """`Reshape`; where it leaves the leading extent alone, batches of any size pass."""
    declared, shape = call.operand(0).shape, call.op.shape
    if declared and shape and x.shape[0] != declared[0]:
        if shape[0] != declared[0]:
            raise UsageError(
                "batch",
                f"a batch of {x.shape[0]} cannot pass the reshape from {list(declared)} to "
                f"{list(shape)}, which mixes images",
                help=f"run batches of {declared[0]}",
            )
        shape = (x.shape[0], *shape[1:])
    return x.reshape(shape)


def transpose(call: Call[Transpose], x: Array) -> Array:
    """`Transpose`."""
    return x.transpose(call.op.permutation)


def depth_to_space(call: Call[DepthToSpace], x: Array) -> Array:
    """`DepthToSpace`: blocks lead the channels in DCR order and trail them in CRD order."""
    op, b = call.op, call.op.block
    batch, channels, height, width = op.layout.split(x.shape)
    depth = channels // (b * b)
    if op.layout is Layout.NCHW:
        if op.order is DepthOrder.DCR:
            cut = x.reshape(batch, b, b, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
        else:
            cut = x.reshape(batch, depth, b, b, height, width).transpose(0, 1, 4, 2, 5, 3)
    elif op.order is DepthOrder.DCR:
        cut = x.reshape(batch, height, width, b, b, depth).transpose(0, 1, 3, 2, 4, 5)
    else:
        cut = x.reshape(batch, height, width, depth, b, b).transpose(0, 1, 4, 2, 5, 3)
    return cut.reshape(op.layout.shape(batch, depth, height * b, width * b))
