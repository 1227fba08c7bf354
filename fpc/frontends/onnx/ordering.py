"""The nodes of an ONNX graph in topological order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fpc.diagnostics.errors import ModelError
from fpc.diagnostics.location import Location

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def node_location(node: NodeProto) -> Location:
    """A node by its name, or by its first result where the exporter gave none."""
    return Location.of(node.name or next(iter(node.output), "") or node.op_type)


def topological_order(nodes: Sequence[NodeProto], defined: Iterable[str]) -> list[NodeProto]:
    """`nodes` so that each comes after what it reads; the given order where that is one already.

    `defined` are the names that exist before the first node. `ModelError` for a name that is
    defined twice or never, and for a cycle.
    """
    available = set(defined)
    producers = _producers(nodes, available)
    reads = [_read_names(node) for node in nodes]
    for node, names in zip(nodes, reads, strict=True):
        for name in names:
            if name not in available and name not in producers:
                raise ModelError(
                    "undefined-tensor",
                    f"{node.op_type} reads '{name}', which is no input, weight or result",
                    location=node_location(node),
                    help="the file is damaged or was cut badly; export the model again",
                )
    waiting = {
        index: len({producers[n] for n in names if n in producers})
        for index, names in enumerate(reads)
    }
    readers: dict[int, list[int]] = {}
    for index, names in enumerate(reads):
        for producer in {producers[name] for name in names if name in producers}:
            readers.setdefault(producer, []).append(index)
    return [nodes[index] for index in _release(nodes, waiting, readers)]


def _producers(nodes: Sequence[NodeProto], defined: set[str]) -> dict[str, int]:
    producers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in node.output:
            if name and (name in producers or name in defined):
                raise ModelError(
                    "duplicate-tensor",
                    f"tensor '{name}' is defined twice",
                    location=node_location(node),
                    help="the file is damaged or was merged badly; export the model again",
                )
            producers[name] = index
    producers.pop("", None)
    return producers


def _release(
    nodes: Sequence[NodeProto], waiting: dict[int, int], readers: dict[int, list[int]]
) -> list[int]:
    import heapq

    ready = [index for index, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for reader in readers.get(index, ()):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready, reader)
    if len(order) < len(nodes):
        stuck = next(index for index, count in waiting.items() if count > 0)
        raise ModelError(
            "cycle",
            "the graph has a cycle: some nodes wait for their own results",
            location=node_location(nodes[stuck]),
            help="the file is damaged; export the model again",
        )
    return order


def _read_names(node: NodeProto) -> set[str]:
    """What a node reads, its subgraphs' reads of outer tensors included."""
    names = {name for name in node.input if name}
    for attribute in node.attribute:
        if attribute.HasField("g"):
            names |= _outer_reads(attribute.g)
    return names


def _outer_reads(graph: GraphProto) -> set[str]:
    own = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
    reads: set[str] = {value.name for value in graph.output if value.name}
    for node in graph.node:
        own.update(node.output)
        reads |= _read_names(node)
    return reads - own
