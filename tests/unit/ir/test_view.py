"""Questions about paths, checked on small graphs against networkx and by hand."""

from __future__ import annotations

import networkx as nx
import pytest

from fpc.ir.graph import Graph
from fpc.ir.parser import parse_graph
from fpc.ir.view import immediate_dominators, is_convex, longest_path, multigraph, to_dot

TEXT = """
graph @diamond(%x: f32[1,2,4,4], %s: f32[2,1,1]) {
  %w = const [1.0, 2.0, 3.0, 4.0] : f32[2,2,1,1]
  %a = conv2d(%x, %w) {activation=relu} : f32[1,2,4,4]
  %b = relu(%a) : f32[1,2,4,4]
  %c = mul(%a, %s) : f32[1,2,4,4]
  %d = add(%b, %c) : f32[1,2,4,4]
  %e = mul(%d, %d) : f32[1,2,4,4]
  return %e, %x
}
"""


@pytest.fixture
def graph():
    return parse_graph(TEXT)


def nodes(graph, names):
    return [graph.find(name).producer for name in names]


def test_multigraph(graph):
    view = multigraph(graph)
    a, b, c, d, e = graph.nodes
    x, s = graph.inputs
    assert list(view.nodes) == [x, s, a, b, c, d, e]
    assert set(view.edges(keys=True)) == {
        (x, a, 0),
        (a, b, 0),
        (a, c, 0),
        (s, c, 1),
        (b, d, 0),
        (c, d, 1),
        (d, e, 0),
        (d, e, 1),
    }
    assert view.edges[d, e, 1]["value"] is d.output
    assert nx.is_frozen(view)
    assert nx.is_directed_acyclic_graph(view)


@pytest.mark.parametrize(
    ("names", "convex"),
    [("", True), ("ab", True), ("abcd", True), ("ad", False), ("abd", False), ("bc", True),
     ("ae", False), ("de", True), ("abcde", True)],
)  # fmt: skip
def test_convexity(graph, names, convex):
    assert is_convex(graph, nodes(graph, names)) is convex


def test_longest_path(graph):
    costs = dict(zip(graph.nodes, (1.0, 5.0, 2.0, 1.0, 0.5), strict=True))
    total, path = longest_path(graph, costs.__getitem__)
    assert total == 7.5
    assert path == tuple(nodes(graph, "abde"))
    assert longest_path(Graph(), costs.__getitem__) == (0.0, ())


def test_dominators(graph):
    a, b, c, d, e = graph.nodes
    assert immediate_dominators(graph) == {a: None, b: a, c: None, d: None, e: d}
    assert immediate_dominators(Graph()) == {}


def test_picture(graph, golden):
    assert to_dot(graph) == golden
