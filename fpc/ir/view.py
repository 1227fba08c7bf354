"""A graph as networkx sees it, for questions about paths, and as a picture.

A view is a snapshot for asking, never storage: it is frozen, and editing goes on in the `Graph`.
"""
# networkx ships no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeArgument=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, TypeAlias

from fpc.ir.graph import Graph, Node, Value
from fpc.ir.op import Op
from fpc.ir.printer import print_attributes, print_type

if TYPE_CHECKING:
    import networkx as nx

Vertex: TypeAlias = Node[Op] | Value
"""A node of the graph, or one of its inputs. Constants are no vertices."""


def multigraph(graph: Graph) -> nx.MultiDiGraph:
    """The frozen MultiDiGraph of `graph`: an edge an operand, from where the value comes.

    The key of an edge is the index of the operand, its attribute `value` the `Value` that flows.
    """
    import networkx as nx

    view = nx.MultiDiGraph(name=graph.name)
    view.add_nodes_from(graph.inputs)
    view.add_nodes_from(graph)
    for source, node, index, value in _edges(graph):
        view.add_edge(source, node, key=index, value=value)
    return nx.freeze(view)


def _edges(graph: Graph) -> Iterator[tuple[Vertex, Node[Op], int, Value]]:
    for node in graph:
        for index, value in enumerate(node.inputs):
            if value is not None and not value.is_constant:
                yield value.producer or value, node, index, value


def is_convex(graph: Graph, nodes: Collection[Node[Op]]) -> bool:
    """Whether no path leaves `nodes` and comes back: only such a set can run as one kernel."""
    inside = set(nodes)
    tainted: set[Vertex] = set()
    for node in graph:
        sources = [value.producer for value in node.operands if value.producer is not None]
        outside_again = any(source in tainted for source in sources)
        if node in inside and outside_again:
            return False
        if node not in inside and (outside_again or any(s in inside for s in sources)):
            tainted.add(node)
    return True


def longest_path(
    graph: Graph, cost: Callable[[Node[Op]], float]
) -> tuple[float, tuple[Node[Op], ...]]:
    """The greatest total cost of a chain of dependent nodes, and that chain."""
    totals: dict[Node[Op], float] = {}
    before: dict[Node[Op], Node[Op] | None] = {}
    for node in graph:
        sources = [value.producer for value in node.operands if value.producer is not None]
        slowest = max(sources, key=totals.__getitem__, default=None)
        before[node] = slowest
        totals[node] = cost(node) + (0.0 if slowest is None else totals[slowest])
    last = max(totals, key=totals.__getitem__, default=None)
    total = 0.0 if last is None else totals[last]
    path: list[Node[Op]] = []
    while last is not None:
        path.append(last)
        last = before[last]
    return total, tuple(reversed(path))


def immediate_dominators(graph: Graph) -> dict[Node[Op], Node[Op] | None]:
    """For every node the last one that all paths from the inputs to it pass, None where none is."""
    import networkx as nx

    view = nx.DiGraph()
    view.add_nodes_from(graph)
    root = "inputs"
    for node in graph:
        sources = [value.producer for value in node.operands if not value.is_constant]
        view.add_edges_from((source or root, node) for source in sources or [None])
    found = nx.immediate_dominators(view, root) if len(graph) else {}
    return {node: None if found[node] == root else found[node] for node in graph}


def to_dot(graph: Graph) -> str:
    """A picture of `graph` in the DOT language of Graphviz: boxes are nodes, edges state types."""
    names: dict[Vertex, str] = {}
    lines = [f"digraph {_quoted(graph.name)} {{", "  node [shape=box]"]
    for index, value in enumerate(graph.inputs):
        names[value] = f"in{index}"
        lines.append(f"  in{index} [shape=oval, label={_quoted(f'%{value.name}')}]")
    for index, node in enumerate(graph):
        names[node] = f"n{index}"
        results = ", ".join(f"%{value.name}" for value in node.outputs)
        label = f"{results}\n{node.op.mnemonic}{print_attributes(node.op)}"
        lines.append(f"  n{index} [label={_quoted(label)}]")
    for source, node, _, value in _edges(graph):
        lines.append(_edge(names[source], names[node], value))
    for index, value in enumerate(graph.outputs):
        lines.append(f'  out{index} [shape=oval, label="output {index}"]')
        if not value.is_constant:
            lines.append(_edge(names[value.producer or value], f"out{index}", value))
    return "\n".join([*lines, "}"]) + "\n"


def _edge(source: str, target: str, value: Value) -> str:
    return f"  {source} -> {target} [label={_quoted(print_type(value.type))}]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
