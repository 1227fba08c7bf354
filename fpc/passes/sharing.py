"""Who reads a value: what decides whether its producer may change."""

from __future__ import annotations

from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op


def shared_with(value: Value, node: Node[Op]) -> str | None:
    """Why `value` cannot be changed for the sake of its reader `node`; None when it can."""
    for use in value.uses:
        if isinstance(use.user, Graph):
            return f"%{value.name} is also read by the graph's output"
        if use.user is not node:
            return f"%{value.name} is also read by {use.user!r}"
    return None


def is_plain_float(node: Node[Op]) -> bool:
    """Whether every operand and result of `node` is an unquantised float."""
    return all(value.type.dtype.is_float for value in (*node.operands, *node.outputs))


def has_data(value: Value | None) -> bool:
    """Whether `value` is a constant whose elements are known."""
    return value is not None and value.constant is not None and not value.constant.is_abstract
