"""Whether a graph computes every image of a batch on its own."""

from __future__ import annotations

from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.ir.ops import (
    Add,
    BatchNorm,
    Concat,
    Dense,
    Div,
    MatMul,
    Maximum,
    Minimum,
    Mul,
    Pad,
    PRelu,
    ReduceMean,
    Reshape,
    Slice,
    Softmax,
    Split,
    Sub,
    Transpose,
)

_BROADCASTING = (Add, Sub, Mul, Div, Maximum, Minimum, PRelu, Concat)


def treats_images_alike(graph: Graph) -> bool:
    """Whether the leading axis of every input reaches every value computed from it untouched.

    Such a graph may be run on batches of any size at once.
    """
    batches = {value.type.shape[:1] for value in graph.inputs}
    if len(batches) != 1 or batches == {()}:
        return False
    (batch,) = batches.pop()
    batched = set(graph.inputs)
    for node in graph:
        reached = [value in batched for value in node.operands]
        if not any(reached):
            continue
        if not (_aligned(node, batched) and _keeps_leading_axis(node, batched)):
            return False
        if any(value.type.shape[:1] != (batch,) for value in node.outputs):
            return False
        batched.update(node.outputs)
    return all(value in batched for value in graph.outputs)


def _aligned(node: Node[Op], batched: set[Value]) -> bool:
    """Whether broadcasting lines the leading axes up and repeats constants for every image."""
    if isinstance(node.op, MatMul):
        a, b = node.operands
        return a in batched and (b not in batched or a.type.rank == b.type.rank > 2)
    rank = node.outputs[0].type.rank
    if not isinstance(node.op, _BROADCASTING):
        return node.operands[0] in batched and not batched.intersection(node.operands[1:])
    return all(
        value.type.rank == rank
        if value in batched
        else value.type.rank < rank or value.type.shape[0] == 1
        for value in node.operands
    )


def _keeps_leading_axis(node: Node[Op], batched: set[Value]) -> bool:
    shape = node.operands[0].type.shape
    match node.op:
        case Reshape(shape=target):
            return shape[:1] == target[:1]
        case Transpose(permutation=permutation):
            return permutation[0] == 0
        case Concat(axis=axis) | Split(axis=axis) | Softmax(axis=axis) | BatchNorm(axis=axis):
            return axis > 0
        case ReduceMean(axes=axes):
            return 0 not in axes
        case Slice(starts=starts, ends=ends, steps=steps):
            return (starts[0], ends[0], steps[0]) == (0, shape[0], 1)
        case Pad(before=before, after=after):
            return before[0] == after[0] == 0
        case MatMul():
            b = node.operands[1]
            return len(shape) > 2 or (b.type.rank == 2 and b not in batched)
        case Dense():
            return len(shape) > 1
        case _:
            return True
