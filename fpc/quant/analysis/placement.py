"""Which nodes of a float graph compute in integers."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op, Quantisation
from fpc.quant.scheme import Scheme

_WEIGHTED = (ops.Conv2d, ops.ConvTranspose2d, ops.Dense)
_HEAVY = (*_WEIGHTED, ops.MatMul)


def integer_nodes(
    graph: Graph, scheme: Scheme, keep_float: AbstractSet[Node[Op]] = frozenset()
) -> frozenset[Node[Op]]:
    """The nodes that get an integer form under `scheme`, none of `keep_float` among them.

    Convolutions and matrix products do whenever they can. Cheap ops follow their operands: movement
    is integer when all it moves is, elementwise arithmetic when any operand is. So a float island
    ends at the next convolution, not in quantisation that gains nothing.
    """
    chosen: set[Node[Op]] = set()
    integer = {value for value in graph.inputs if value.type.dtype is DType.F32}
    for node in graph:
        if node in keep_float or not has_integer_form(node, scheme):
            continue
        activations = [value for value in node.operands if not value.is_constant]
        follows_all = node.op.quantisation is Quantisation.SAME
        if (
            isinstance(node.op, _HEAVY)
            or (follows_all and activations and all(v in integer for v in activations))
            or (not follows_all and any(v in integer for v in activations))
        ):
            chosen.add(node)
            integer.update(node.outputs)
    return frozenset(chosen)


def has_integer_form(node: Node[Op], scheme: Scheme) -> bool:
    """Whether `scheme` can compute `node`, as it stands, on integers."""
    if type(node.op) not in scheme.integer_ops:
        return False
    if any(v.type.dtype is not DType.F32 for v in (*node.operands, *node.outputs)):
        return False
    if isinstance(node.op, _WEIGHTED):
        return all(value.is_constant for value in node.operands[1:])
    if isinstance(node.op, ops.PRelu):
        return node.input(1).is_constant
    return True


def weight_of(node: Node[Op]) -> Value | None:
    """The weights of a convolution or dense layer, None for other nodes."""
    return node.input(1) if isinstance(node.op, _WEIGHTED) else None


def bias_of(node: Node[Op]) -> Value | None:
    """The bias of a convolution or dense layer, None without one and for other nodes."""
    return node.optional_input(2) if isinstance(node.op, _WEIGHTED) else None
