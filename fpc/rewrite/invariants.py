"""Properties of a whole graph that passes require and ensure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fpc.ir.graph import Graph
from fpc.ir.op import Layout, Op, attributes
from fpc.ir.ops import BatchNorm


@dataclass(frozen=True)
class Invariant:
    """A named property; `violation` says how a graph breaks it, None when it holds."""

    name: str
    violation: Callable[[Graph], str | None]


def layout_of(op: Op) -> Layout | None:
    """The layout attribute of a spatial operator, None for operators that have none."""
    layout = attributes(op).get("layout")
    return layout if isinstance(layout, Layout) else None


def _unquantised(graph: Graph) -> str | None:
    for value in graph.values():
        if value.type.is_quantised:
            return f"%{value.name} is quantised"
    return None


def _in_layout(layout: Layout) -> Callable[[Graph], str | None]:
    def violation(graph: Graph) -> str | None:
        for node in graph:
            found = layout_of(node.op)
            if found is not None and found is not layout:
                return f"{node!r} is {found.value}"
        return None

    return violation


def _without_batch_norm(graph: Graph) -> str | None:
    node = next(graph.nodes_of(BatchNorm), None)
    return None if node is None else f"{node!r} is left"


FLOAT = Invariant("float", _unquantised)
NCHW = Invariant("nchw", _in_layout(Layout.NCHW))
NHWC = Invariant("nhwc", _in_layout(Layout.NHWC))
NO_BATCH_NORM = Invariant("free of batch norms", _without_batch_norm)
