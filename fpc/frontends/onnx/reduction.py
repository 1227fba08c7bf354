"""Reductions: means are an operator of the IR, the others are built from means and pooling."""

from __future__ import annotations

import math
from types import MappingProxyType

from fpc.frontends.onnx.context import Handler, NodeContext, Unsupported
from fpc.frontends.onnx.indexing import axes_of
from fpc.ir.graph import Value
from fpc.ir.ops import Function, MaxPool, Mul, ReduceMean, Reshape, Unary


def reduce_mean(node: NodeContext) -> Value:
    """ReduceMean."""
    x, axes, keep_dims = _operands(node)
    return node.emit(ReduceMean(axes, keep_dims), x) if axes else x


def reduce_sum(node: NodeContext) -> Value:
    """ReduceSum: the mean times the count."""
    x, axes, keep_dims = _operands(node)
    return sum_over(node, x, axes, keep_dims=keep_dims) if axes else x


def reduce_sum_square(node: NodeContext) -> Value:
    """ReduceSumSquare."""
    x, axes, keep_dims = _operands(node)
    square = node.step(Mul(), x, x)
    return sum_over(node, square, axes, keep_dims=keep_dims) if axes else square


def reduce_l2(node: NodeContext) -> Value:
    """ReduceL2: the root of the sum of squares."""
    return node.emit(Unary(Function.SQRT), reduce_sum_square(node))


def reduce_max(node: NodeContext) -> Value:
    """ReduceMax."""
    x, axes, keep_dims = _operands(node)
    return maximum_over(node, x, axes, keep_dims=keep_dims) if axes else x


def reduce_min(node: NodeContext) -> Value:
    """ReduceMin: -max(-x)."""
    x, axes, keep_dims = _operands(node)
    if not axes:
        return x
    negated = node.step(Unary(Function.NEG), x)
    return node.emit(Unary(Function.NEG), maximum_over(node, negated, axes, keep_dims=keep_dims))


def sum_over(node: NodeContext, x: Value, axes: tuple[int, ...], *, keep_dims: bool) -> Value:
    """The sum of `x` over `axes`."""
    count = math.prod(x.type.shape[axis] for axis in axes)
    mean = node.step(ReduceMean(axes, keep_dims), x)
    return node.emit(Mul(), mean, node.constant(float(count), "count"))


def maximum_over(node: NodeContext, x: Value, axes: tuple[int, ...], *, keep_dims: bool) -> Value:
    """The maximum of `x` over neighbouring `axes`: pooling of x as [1, before, axes, after]."""
    shape = x.type.shape
    first, last = axes[0], axes[-1]
    if axes != tuple(range(first, last + 1)):
        raise Unsupported(
            f"it reduces axes {list(axes)}, which are not neighbours",
            "reduce one axis after the other",
        )
    before = math.prod(shape[:first])
    reduced = math.prod(shape[first : last + 1])
    after = math.prod(shape[last + 1 :])
    if (first, last, x.type.rank) == (2, 3, 4):
        pooled = node.step(MaxPool((shape[2], shape[3])), x)
    else:
        pooled = node.step(
            MaxPool((reduced, 1)), node.step(Reshape((1, before, reduced, after)), x)
        )
    kept = (1,) * len(axes) if keep_dims else ()
    target = (*shape[:first], *kept, *shape[last + 1 :])
    return pooled if pooled.type.shape == target else node.emit(Reshape(target), pooled)


def _operands(node: NodeContext) -> tuple[Value, tuple[int, ...], bool]:
    x = node.value(0)
    keep_dims = bool(node.attributes.integer("keepdims", 1))
    return x, axes_of(node, x.type.rank), keep_dims


HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "ReduceMean": reduce_mean,
        "ReduceSum": reduce_sum,
        "ReduceSumSquare": reduce_sum_square,
        "ReduceL2": reduce_l2,
        "ReduceMax": reduce_max,
        "ReduceMin": reduce_min,
    }
)
