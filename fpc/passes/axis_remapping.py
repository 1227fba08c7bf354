"""Operators restated for operands that are stored in another order of axes."""

from __future__ import annotations

import math
from dataclasses import replace

from fpc.ir.op import Op
from fpc.ir.ops import (
    BatchNorm,
    Cast,
    Clip,
    Concat,
    Dequantize,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Pad,
    Quantize,
    ReduceMean,
    Relu,
    Relu6,
    Requantize,
    Sigmoid,
    Silu,
    Slice,
    Softmax,
    Split,
    Tanh,
    Unary,
)
from fpc.passes.axis_order import Order, Shape, store

_POINTWISE = (
    Cast,
    Clip,
    Dequantize,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Quantize,
    Relu,
    Relu6,
    Requantize,
    Sigmoid,
    Silu,
    Tanh,
    Unary,
)


def remap_axes(op: Op, order: Order) -> tuple[Op, Order]:
    """`op` for operands stored in `order`, and the order in which its results are then stored.

    For every operator whose attributes name axes, and for those that treat all elements alike. Not
    for operators with a layout, reshapes, transposes and products of matrices.
    """
    match op:
        case Concat() | Split() | Softmax() | BatchNorm():
            return replace(op, axis=order.index(op.axis)), order
        case Slice():
            starts, ends, steps = (store(s, order) for s in (op.starts, op.ends, op.steps))
            return Slice(starts, ends, steps), order
        case Pad():
            return replace(op, before=store(op.before, order), after=store(op.after, order)), order
        case ReduceMean():
            axes = tuple(sorted(order.index(axis) for axis in op.axes))
            return replace(op, axes=axes), order if op.keep_dims else _without(order, op.axes)
        case _:
            return op, order


_SHORT_RUN = 4
_MANY_RUNS = 256


def order_for_slicing(op: Slice | Split, shape: Shape, order: Order) -> Order:
    """The order in which to store a tensor before `op` cuts it; mostly `order`, where it is stored.

    Runtimes copy a piece run by run of what lies side by side. Pieces of many short runs, such as
    every other channel of an NHWC map, are an order of magnitude slower than one transpose that
    brings the cut axes to the front, after which a piece is one run.
    """
    cut = _cut_axes(op, shape)
    moved = (*(axis for axis in order if axis in cut), *(axis for axis in order if axis not in cut))
    run, moved_run = (_run(cut, shape, o) for o in (order, moved))
    many = math.prod(shape) >= _MANY_RUNS * run
    return moved if run < _SHORT_RUN and many and moved_run > run else order


def _cut_axes(op: Slice | Split, shape: Shape) -> dict[int, int]:
    """The axes along which pieces are cut, and how many elements in a row a piece takes."""
    if isinstance(op, Split):
        return {op.axis: min(op.sizes)}
    taken = enumerate(zip(op.starts, op.ends, op.steps, strict=True))
    return {
        axis: 1 if step > 1 else end - start
        for axis, (start, end, step) in taken
        if step > 1 or end - start != shape[axis]
    }


def _run(cut: dict[int, int], shape: Shape, order: Order) -> int:
    """How many elements lie side by side in a piece."""
    run = 1
    for axis in reversed(order):
        if axis in cut:
            return run * cut[axis]
        run *= shape[axis]
    return run


def treats_elements_alike(op: Op) -> bool:
    """Whether `op` is a function of one value, applied to every element alone."""
    return isinstance(op, _POINTWISE)


def _without(order: Order, dropped: tuple[int, ...]) -> Order:
    left = sorted(axis for axis in order if axis not in dropped)
    return tuple(left.index(axis) for axis in order if axis not in dropped)
