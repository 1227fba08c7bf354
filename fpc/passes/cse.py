"""cse: compute equal things once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from fpc.ir.graph import Node, Value
from fpc.ir.op import Op
from fpc.ir.types import TensorType
from fpc.passes.sharing import has_data
from fpc.rewrite.passes import Declined, Pass
from fpc.rewrite.rewriter import Rewriter

_Key: TypeAlias = tuple[Op, tuple[Value | TensorType | None, ...], tuple[TensorType, ...]]


@dataclass(frozen=True)
class CommonSubexpressionElimination(Pass):
    """Merges nodes of equal operators, operands and result types; equal constants count as one.

    An output of the graph keeps its own name, so of two equal outputs both stay.
    """

    name: ClassVar[str] = "cse"

    def apply(self, rewriter: Rewriter) -> tuple[Declined, ...]:
        """One sweep in topological order: operands are merged before their readers are compared."""
        seen: dict[_Key, list[Node[Op]]] = {}
        declined: list[Declined] = []
        for node in rewriter.graph:
            alike = seen.setdefault(_key(node), [])
            first = next((other for other in alike if _same_constants(node, other)), None)
            if first is None:
                alike.append(node)
            elif any(value.is_graph_output for value in (*node.outputs, *first.outputs)):
                declined.append(Declined(f"{node!r} is an output equal to {first!r}"))
            else:
                first.location = first.location.merge(node.location)
                rewriter.replace_with_values(node, first.outputs)
        return tuple(declined)


def _key(node: Node[Op]) -> _Key:
    """What equal nodes agree in; of constants, whose digests cost time, only the types."""
    operands = (v.type if v is not None and v.is_constant else v for v in node.inputs)
    return (node.op, tuple(operands), tuple(value.type for value in node.outputs))


def _same_constants(node: Node[Op], other: Node[Op]) -> bool:
    pairs = zip(node.inputs, other.inputs, strict=True)
    return all(a is b or (a is not None and b is not None and _equal(a, b)) for a, b in pairs)


def _equal(a: Value, b: Value) -> bool:
    """Whether two constants hold the same elements; of shape-only ones nobody knows."""
    if a.constant is None or b.constant is None or not has_data(a) or not has_data(b):
        return False
    return a.constant is b.constant or a.constant.digest == b.constant.digest
