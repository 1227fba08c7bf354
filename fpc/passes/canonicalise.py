"""canonicalise: one spelling for each meaning, so that later passes need to know only one.

- constant first -> constant second, where the operator commutes
- sub by a constant, div by one -> add, mul
- neg -> mul by -1
- maximum, minimum, clip, prelu -> relu, relu6, clip, leaky_relu where they are one
- clamps in a row -> one clamp
- reduce_mean over height, width -> global_avg_pool
- avg_pool over the whole map -> global_avg_pool
- matmul by a constant matrix -> dense
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, TypeAlias

import numpy as np

from fpc.ir.graph import Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import (
    Add,
    AvgPool,
    Clip,
    Dense,
    Div,
    Function,
    GlobalAvgPool,
    LeakyRelu,
    MatMul,
    Maximum,
    Minimum,
    Mul,
    PRelu,
    ReduceMean,
    Relu,
    Relu6,
    Reshape,
    Sub,
    Unary,
)
from fpc.passes.clamps import Clamp
from fpc.passes.sharing import has_data, is_plain_float
from fpc.rewrite.invariants import NCHW, Invariant
from fpc.rewrite.passes import Declined, RewritePass
from fpc.rewrite.pattern import scalar_of
from fpc.rewrite.rewriter import Rewriter

_Rule: TypeAlias = Callable[[Node[Op], Rewriter], Declined | None]


@dataclass(frozen=True)
class Canonicalise(RewritePass):
    """Rewrites operators on floats into their canonical spelling."""

    name: ClassVar[str] = "canonicalise"
    requires: ClassVar[tuple[Invariant, ...]] = (NCHW,)
    roots: ClassVar[tuple[type[Op], ...]] = (
        Add,
        AvgPool,
        Clip,
        Div,
        LeakyRelu,
        MatMul,
        Maximum,
        Minimum,
        Mul,
        PRelu,
        ReduceMean,
        Relu,
        Relu6,
        Sub,
        Unary,
    )

    def rewrite(self, node: Node[Op], rewriter: Rewriter) -> Declined | None:
        """Apply the rule of the node's operator."""
        return _RULES[type(node.op)](node, rewriter) if is_plain_float(node) else None


def _constant_second(node: Node[Op], rewriter: Rewriter) -> Declined | None:
    a, b = node.operands
    if a.is_constant and not b.is_constant:
        rewriter.replace(node, node.op, b, a)
    return None


def _sub(node: Node[Op], rewriter: Rewriter) -> Declined | None:
    a, b = node.operands
    if isinstance(node.op, Sub) and has_data(b):
        rewriter.replace(
            node, Add(node.op.activation), a, rewriter.constant(np.negative(b.data), b.name)
        )
    return None


def _div(node: Node[Op], rewriter: Rewriter) -> Declined | None:
    a, b = node.operands
    if not isinstance(node.op, Div) or not has_data(b):
        return None
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        inverse = (1.0 / b.data.astype(np.float64)).astype(b.data.dtype)
    if not np.all(np.isfinite(inverse)):
        return Declined(f"the divisor %{b.name} holds numbers that have no finite inverse")
    rewriter.replace(node, Mul(node.op.activation), a, rewriter.constant(inverse, b.name))
    return None


def _unary(node: Node[Op], rewriter: Rewriter) -> Declined | None:
    if isinstance(node.op, Unary) and node.op.function is Function.NEG:
        x = node.input(0)
        minus_one = rewriter.constant(np.array(-1.0, x.type.dtype.numpy), "minus_one")
        rewriter.replace(node, Mul(), x, minus_one)
    return None


def _extremum(node: Node[Op], rewriter: Rewriter) -> Declined | None:
    a, b = node.operands
    x, constant = (b, a) if a.is_constant else (a, b)
    bound = scalar_of(constant)
    if bound is None or node.output.type.shape != x.type.shape:
        return _constant_second(node, rewriter)
    clamp = Clamp(bound, None) if isinstance(node.op, Maximum) else Clamp(None, bound)
    rewriter.replace(node, clamp.as_op(), x)
    return None


def _clamp(node: Node[Op], rewriter: Rewriter) -> Declined | None:
    """Clamps of clamps become one; a clip becomes the relu that it is."""
    clamp = Clamp.of_op(node.op)
    if clamp is None or clamp.is_identity:
        return None
    x = node.input(0)
    before = Clamp.of_op(x.producer.op) if x.producer is not None else None
    if x.producer is not None and before is not None and x.has_one_use:
        both = before.then(clamp)
        rewriter.replace(node, both.as_op(), x.producer.input(0), absorbing=[x.producer])
    elif clamp.as_op() != node.op:
        rewriter.replace(node, clamp.as_op(), x)
    return None


def _leaky_relu(node: Node[Op], rewriter: Rewriter) -> Declined | None:
    if isinstance(node.op, LeakyRelu) and node.op.alpha == 0.0:
        rewriter.replace(node, Relu(), node.input(0))
    return None


def _prelu(node: Node[Op], rewriter: Rewriter) -> Declined | None:
    slope = scalar_of(node.input(1))
    if slope is not None:
        rewriter.replace(node, LeakyRelu(slope), node.input(0))
    return None


def _reduce_mean(node: Node[Op], rewriter: Rewriter) -> Declined | None:
    op = node.op
    if not isinstance(op, ReduceMean):
        return None
    x = node.input(0)
    inner = x.producer
    if inner is not None and isinstance(inner.op, ReduceMean) and x.has_one_use:
        axes = _mean_of_mean(inner.op, op, inner.input(0).type.rank)
        if op.keep_dims == inner.op.keep_dims:
            merged = ReduceMean(axes, op.keep_dims)
            rewriter.replace(node, merged, inner.input(0), absorbing=[inner])
        return None
    shape = node.output.type.shape
    if all(x.type.shape[axis] == 1 for axis in op.axes):
        rewriter.replace(node, Reshape(shape), x)
    elif x.type.rank == 4 and op.axes == (2, 3):
        _replace_by_global_avg_pool(node, x, shape, rewriter)
    return None


def _mean_of_mean(inner: ReduceMean, outer: ReduceMean, rank: int) -> tuple[int, ...]:
    """The axes of the first operand that both reduce, when both keep or both drop them."""
    left = [axis for axis in range(rank) if inner.keep_dims or axis not in inner.axes]
    return tuple(sorted({*inner.axes, *(left[axis] for axis in outer.axes)}))


def _replace_by_global_avg_pool(
    node: Node[Op], x: Value, shape: tuple[int, ...], rewriter: Rewriter
) -> None:
    if len(shape) == 4:
        rewriter.replace(node, GlobalAvgPool(), x)
        return
    pooled = rewriter.insert(GlobalAvgPool(), x, before=node, name=node.output.name)
    rewriter.replace(node, Reshape(shape), pooled.output)


def _avg_pool(node: Node[Op], rewriter: Rewriter) -> Declined | None:
    op = node.op
    if not isinstance(op, AvgPool):
        return None
    x = node.input(0)
    _, _, height, width = op.layout.split(x.type.shape)
    _, _, out_height, out_width = op.layout.split(node.output.type.shape)
    top, left, bottom, right = op.pads
    covers = (
        (out_height, out_width) == (1, 1)
        and op.kernel[0] >= top + height
        and op.kernel[1] >= left + width
    )
    if not covers:
        return None
    if any((top, left, bottom, right)) and op.count_include_pad:
        return Declined("its one window counts padding")
    rewriter.replace(node, GlobalAvgPool(op.layout), x)
    return None


def _matmul(node: Node[Op], rewriter: Rewriter) -> Declined | None:
    a, b = node.operands
    if has_data(b) and b.type.rank == 2 and not a.is_constant:
        weights = rewriter.constant(np.ascontiguousarray(b.data.T), b.name)
        rewriter.replace(node, Dense(), a, weights)
    return None


_RULES: Mapping[type[Op], _Rule] = MappingProxyType(
    {
        Add: _constant_second,
        AvgPool: _avg_pool,
        Clip: _clamp,
        Div: _div,
        LeakyRelu: _leaky_relu,
        MatMul: _matmul,
        Maximum: _extremum,
        Minimum: _extremum,
        Mul: _constant_second,
        PRelu: _prelu,
        ReduceMean: _reduce_mean,
        Relu: _clamp,
        Relu6: _clamp,
        Sub: _sub,
        Unary: _unary,
    }
)
