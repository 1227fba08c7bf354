"""simplify-shape: fewer reshapes, transposes, concats, splits and slices with the same effect.

- reshape of a reshape -> one reshape
- transpose of a transpose -> one transpose; one that moves only extents of 1 -> reshape
- concat of concats along one axis -> one concat
- concat of all pieces of a split in order -> what was split
- slice of a slice -> one slice; split whose pieces but one are unread -> slice
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fpc.ir.graph import Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import Concat, Reshape, Slice, Split, Transpose
from fpc.passes.axis_order import identity, moves_data
from fpc.rewrite.passes import Declined, RewritePass
from fpc.rewrite.rewriter import Rewriter


@dataclass(frozen=True)
class SimplifyShape(RewritePass):
    """Joins neighbouring operators that only move values; works on quantised graphs too."""

    name: ClassVar[str] = "simplify-shape"
    roots: ClassVar[tuple[type[Op], ...]] = (Concat, Reshape, Slice, Split, Transpose)

    def rewrite(self, node: Node[Op], rewriter: Rewriter) -> Declined | None:
        """Join `node` with what comes before it."""
        op = node.op
        match op:
            case Reshape():
                _reshape(node, op, rewriter)
            case Transpose():
                _transpose(node, op, rewriter)
            case Concat():
                return _concat(node, op, rewriter)
            case Slice():
                _slice(node, op, rewriter)
            case Split():
                _split(node, op, rewriter)
            case _:
                pass
        return None


def _reshape(node: Node[Op], op: Reshape, rewriter: Rewriter) -> None:
    inner = node.input(0).producer
    if inner is not None and isinstance(inner.op, Reshape):
        rewriter.replace(node, op, inner.input(0), absorbing=[inner])


def _transpose(node: Node[Op], op: Transpose, rewriter: Rewriter) -> None:
    x = node.input(0)
    inner = x.producer
    if not moves_data(x.type.shape, identity(x.type.rank), op.permutation):
        rewriter.replace(node, Reshape(node.output.type.shape), x)
    elif inner is not None and isinstance(inner.op, Transpose):
        both = tuple(inner.op.permutation[axis] for axis in op.permutation)
        rewriter.replace(node, Transpose(both), inner.input(0), absorbing=[inner])


def _concat(node: Node[Op], op: Concat, rewriter: Rewriter) -> Declined | None:
    whole = _split_whole(node, op)
    if whole is not None:
        if node.output.is_graph_output and (whole.producer is None or whole.is_graph_output):
            return Declined(f"%{whole.name} and %{node.output.name} are both names to keep")
        rewriter.replace_with_values(node, [whole])
        return None
    operands: list[Value] = []
    absorbed: list[Node[Op]] = []
    for value in node.operands:
        inner = value.producer
        joins = inner is not None and inner.op == op and value.has_one_use
        if inner is not None and joins:
            operands.extend(inner.operands)
            absorbed.append(inner)
        else:
            operands.append(value)
    if absorbed:
        rewriter.replace(node, op, *operands, absorbing=absorbed)
    return None


def _split_whole(node: Node[Op], op: Concat) -> Value | None:
    """What was split, when `node` joins all pieces of one split in order."""
    split = node.input(0).producer
    if split is None or not isinstance(split.op, Split) or split.op.axis != op.axis:
        return None
    whole = split.input(0)
    return whole if split.outputs == node.operands and whole.type == node.output.type else None


def _slice(node: Node[Op], op: Slice, rewriter: Rewriter) -> None:
    inner = node.input(0).producer
    if inner is None or not isinstance(inner.op, Slice):
        return
    first = inner.op
    extents = inner.input(0).type.shape
    starts = tuple(a + b * s for a, b, s in zip(first.starts, op.starts, first.steps, strict=True))
    steps = tuple(a * b for a, b in zip(first.steps, op.steps, strict=True))
    ends = tuple(
        min(a + (end - 1) * s + 1, extent) if end > start else begin
        for a, start, end, s, extent, begin in zip(
            first.starts, op.starts, op.ends, first.steps, extents, starts, strict=True
        )
    )
    rewriter.replace(node, Slice(starts, ends, steps), inner.input(0), absorbing=[inner])


def _split(node: Node[Op], op: Split, rewriter: Rewriter) -> None:
    read = [value for value in node.outputs if value.uses]
    if len(read) != 1 or len(node.outputs) == 1:
        return
    x, piece = node.input(0), read[0]
    start = sum(op.sizes[: piece.index])
    rank = x.type.rank
    starts = tuple(start if axis == op.axis else 0 for axis in range(rank))
    ends = tuple(
        start + op.sizes[piece.index] if axis == op.axis else extent
        for axis, extent in enumerate(x.type.shape)
    )
    name = piece.name
    made = rewriter.insert(
        Slice(starts, ends, (1,) * rank), x, before=node, name=name, results=[piece.type]
    )
    rewriter.replace_value(piece, made.output)
    rewriter.erase(node)
    rewriter.rename(made.output, name)
