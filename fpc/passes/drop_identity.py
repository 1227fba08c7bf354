"""drop-identity: remove operators whose result is their operand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.graph import Node, Value
from fpc.ir.op import Activation, Op, fused_activation
from fpc.ir.ops import (
    Add,
    AvgPool,
    Cast,
    Clip,
    Concat,
    DepthToSpace,
    Div,
    GlobalAvgPool,
    LeakyRelu,
    Maximum,
    MaxPool,
    Minimum,
    Mul,
    Pad,
    ReduceMean,
    Relu,
    Requantize,
    Reshape,
    Resize,
    Slice,
    Split,
    Sub,
    Transpose,
)
from fpc.passes.clamps import Clamp
from fpc.rewrite.passes import Declined, RewritePass
from fpc.rewrite.pattern import scalar_of
from fpc.rewrite.rewriter import Rewriter


@dataclass(frozen=True)
class DropIdentity(RewritePass):
    """Removes what changes nothing: a reshape to the same shape, a pad by 0, a sum with 0 ...

    An output of the graph keeps its name, so an identity between two named values (an input and an
    output, or two outputs) stays.
    """

    name: ClassVar[str] = "drop-identity"
    roots: ClassVar[tuple[type[Op], ...]] = (
        Add,
        AvgPool,
        Cast,
        Clip,
        Concat,
        DepthToSpace,
        Div,
        GlobalAvgPool,
        LeakyRelu,
        MaxPool,
        Maximum,
        Minimum,
        Mul,
        Pad,
        ReduceMean,
        Relu,
        Requantize,
        Reshape,
        Resize,
        Slice,
        Split,
        Sub,
        Transpose,
    )

    def rewrite(self, node: Node[Op], rewriter: Rewriter) -> Declined | None:
        """Let the readers of an identity read its operand."""
        operand = _unchanged(node)
        if operand is None or len(node.outputs) != 1 or operand.type != node.output.type:
            return None
        if fused_activation(node.op) is not Activation.NONE:
            return None
        if node.output.is_graph_output and (operand.producer is None or operand.is_graph_output):
            return Declined(
                f"%{operand.name} and the output %{node.output.name} are both names to keep"
            )
        rewriter.replace_with_values(node, [operand])
        return None


def _unchanged(node: Node[Op]) -> Value | None:
    """The operand that `node` repeats when their types are equal, None when there is none."""
    x = node.input(0)
    op = node.op
    match op:
        case Add() | Sub():
            return _other_operand(node, 0.0)
        case Mul() | Div():
            return _other_operand(node, 1.0)
        case Maximum() | Minimum():
            return x if node.input(1) is x else None
        case _:
            return x if _repeats(op, x) else None


def _repeats(op: Op, x: Value) -> bool:
    """Whether `op` of `x` is `x`, given that it has the type of `x`."""
    match op:
        case Transpose():
            return _moves_only_ones(op.permutation, x.type.shape)
        case MaxPool() | AvgPool():
            return op.kernel == (1, 1) and op.strides == (1, 1) and not any(op.pads)
        case Relu() | Clip():
            return _clamps_nothing(op, x)
        case LeakyRelu():
            return op.alpha == 1.0
        case _:
            return True


def _other_operand(node: Node[Op], neutral: float) -> Value | None:
    """The operand beside a constant full of `neutral`; integers stand for reals, so they stay."""
    a, b = node.operands
    if a.type.is_quantised or b.type.is_quantised:
        return None
    if scalar_of(b) == neutral:
        return a
    commutes = isinstance(node.op, (Add, Mul))
    return b if commutes and scalar_of(a) == neutral else None


def _moves_only_ones(permutation: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    moved = [axis for axis in permutation if shape[axis] != 1]
    return moved == sorted(moved)


def _clamps_nothing(op: Relu | Clip, x: Value) -> bool:
    """Whether `x` comes from a clamp at least as tight, or `op` has no bounds."""
    clamp = Clamp.of_op(op)
    if clamp is None or clamp.is_identity:
        return True
    producer = x.producer
    if producer is None:
        return False
    before = Clamp.of_op(producer.op) or Clamp.of_activation(fused_activation(producer.op))
    return not before.is_identity and before.then(clamp) == before
