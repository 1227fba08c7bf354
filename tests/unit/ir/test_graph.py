"""Building, walking, editing and copying graphs."""

from __future__ import annotations

import numpy as np
import pytest

from fpc.diagnostics.errors import VerifyError
from fpc.diagnostics.location import Location
from fpc.ir.constant import Constant
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Use
from fpc.ir.ops import Conv2d, Relu, Relu6, Split
from fpc.ir.parser import parse_graph
from fpc.ir.printer import print_graph
from fpc.ir.types import QuantParams, TensorType, f32
from fpc.ir.verifier import verify

TEXT = """graph @net(%x: f32[1,2,4,4]) {
  %w = const [1.0, 2.0, 3.0, 4.0] : f32[2,2,1,1]
  %a = conv2d(%x, %w) : f32[1,2,4,4]
  %b = relu(%a) : f32[1,2,4,4]
  %c = add(%b, %b) : f32[1,2,4,4]
  return %c, %b, %c
}
"""


@pytest.fixture
def graph():
    return parse_graph(TEXT)


def test_uses_count_operands_and_outputs(graph):
    a, b, c = (node.output for node in graph)
    assert a.uses == (Use(b.producer, 0),)
    assert a.has_one_use
    assert b.uses == (Use(c.producer, 0), Use(c.producer, 1), Use(graph, 1))
    assert b.users == (c.producer,)
    assert b.use_count == 3
    assert c.uses == (Use(graph, 0), Use(graph, 2))
    assert c.is_graph_output
    assert not a.is_graph_output


def test_walks_follow_the_order(graph):
    assert [node.op.mnemonic for node in graph] == ["conv2d", "relu", "add"]
    assert tuple(reversed(graph)) == tuple(reversed(graph.nodes))
    assert [value.name for value in graph.values()] == ["x", "w", "a", "b", "c"]
    assert [value.name for value in graph.constants] == ["w"]
    assert len(graph) == 3
    assert [node.op for node in graph.nodes_of(Relu)] == [Relu()]
    assert graph.find("b").producer is graph.nodes[1]
    with pytest.raises(KeyError):
        graph.find("missing")


def test_names_are_kept_unique_and_clean():
    graph = Graph()
    names = [graph.add_input(name, f32(1)).name for name in ("x", "x", "a/b:0", "", "x_1", "é.1")]
    assert names == ["x", "x_1", "a_b_0", "v", "x_1_1", "é.1"]


def test_nodes_can_be_inserted_anywhere(graph):
    a, b, c = graph.nodes
    first = graph.add(Relu6(), graph.inputs[0], before=a, name="first")
    middle = graph.add(Relu6(), b.output, before=c, name="middle")
    last = graph.add(Relu6(), c.output, name="last")
    assert graph.nodes == (first, a, b, middle, c, last)
    assert tuple(reversed(graph)) == (last, c, middle, b, a, first)
    verify(graph)


def test_absent_operands_fill_up(graph):
    conv = graph.nodes[0]
    assert conv.inputs == (graph.inputs[0], graph.find("w"), None)
    assert conv.operands == (graph.inputs[0], graph.find("w"))
    assert conv.optional_input(2) is None
    assert conv.optional_input(7) is None
    with pytest.raises(VerifyError, match="conv2d has no operand `b`"):
        conv.input(2)


def test_results_state_their_types():
    graph = Graph()
    x = graph.add_input("x", f32(1, 4))
    quant = QuantParams.per_tensor(0.5)
    with pytest.raises(VerifyError, match=r"relu gives f32\[1,4\], not f32\[4\]"):
        graph.add(Relu(), x, results=[f32(4)])
    with pytest.raises(VerifyError, match="not"):
        graph.add(Split(1, (2, 2)), x, results=[f32(1, 2)])
    assert len(graph) == 0
    assert x.use_count == 0
    q = graph.add_input("q", TensorType(DType.I8, (1, 4), quant))
    assert graph.add(Relu(), q, quant=quant).output.type == q.type
    halves = graph.add(Split(1, (1, 3)), q, names=("low", "high"))
    assert [value.name for value in halves.outputs] == ["low", "high"]
    assert [value.type.quant for value in halves.outputs] == [quant, quant]
    with pytest.raises(VerifyError, match="split has 2 results"):
        _ = halves.output


def test_a_refused_node_leaves_no_trace(graph):
    before = print_graph(graph)
    operands = (graph.inputs[0], graph.find("w"))
    with pytest.raises(VerifyError, match="do not fit") as raised:
        graph.add(Conv2d(groups=2), *operands, location=Location.of("layer7"))
    assert raised.value.location == Location.of("layer7")
    assert print_graph(graph) == before
    verify(graph)


def test_uses_are_replaced_everywhere(graph):
    a, b, c = (node.output for node in graph)
    graph.replace_uses(b, a)
    assert b.use_count == 0
    assert c.producer.inputs == (a, a)
    assert graph.outputs == (c, a, c)
    graph.replace_uses(c, c)
    assert graph.outputs == (c, a, c)
    graph.erase(b.producer)
    verify(graph)


def test_erasing_asks_for_readers(graph):
    a, b, c = graph.nodes
    with pytest.raises(VerifyError, match=r"still read by %c = add\(%b, %b\), .*graph's output"):
        graph.erase(b)
    graph.set_outputs([a.output])
    graph.erase(c)
    graph.erase(b)
    assert graph.nodes == (a,)
    assert a.output.uses == (Use(graph, 0),)
    assert graph.fresh_name("b") == "b"
    verify(graph)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_erasing_keeps_the_order(position):
    graph = Graph()
    x = graph.add_input("x", f32(1))
    nodes = [graph.add(Relu(), x) for _ in range(3)]
    graph.erase(nodes.pop(position))
    assert graph.nodes == tuple(nodes)
    assert tuple(reversed(graph)) == tuple(reversed(nodes))
    graph.set_outputs([node.output for node in nodes])
    verify(graph)


def test_editing_while_walking():
    """Erased nodes are not visited, nodes inserted after the one at hand are."""
    graph = Graph()
    x = graph.add_input("x", f32(1))
    nodes = [graph.add(Relu(), x, name=f"n{i}") for i in range(4)]
    seen = []
    for node in graph:
        seen.append(node.output.name)
        if node is nodes[0]:
            graph.erase(nodes[1])
            graph.add(Relu6(), x, name="new", before=nodes[2])
        elif node is nodes[2]:
            graph.erase(node)
    assert seen == ["n0", "new", "n2", "n3"]
    assert [node.output.name for node in graph] == ["n0", "new", "n3"]


def test_inputs_can_be_removed(graph):
    spare = graph.add_input("spare", f32(1))
    with pytest.raises(VerifyError, match="input %x is still read"):
        graph.remove_input(graph.inputs[0])
    graph.remove_input(spare)
    assert [value.name for value in graph.inputs] == ["x"]
    assert graph.add_input("spare", f32(1)).name == "spare"


def test_renaming_keeps_names_unique(graph):
    graph.rename(graph.find("a"), "b")
    assert [node.output.name for node in graph] == ["b_1", "b", "c"]
    graph.rename(graph.find("b_1"), "b_1")
    verify(graph)


def test_clones_share_data_and_nothing_else(graph):
    before = print_graph(graph, locations=True)
    copy, twin = graph.clone_with_values()
    verify(copy)
    assert print_graph(copy, locations=True) == before
    assert twin[graph.find("w")].constant is graph.find("w").constant
    assert set(twin) == set(graph.values())
    assert set(twin.values()) == set(copy.values())
    copy.set_outputs([copy.find("a")])
    copy.erase(copy.nodes[2])
    copy.rename(copy.find("a"), "z")
    assert print_graph(graph, locations=True) == before
    verify(graph)


def test_constants_of_every_kind():
    graph = Graph()
    quant = QuantParams.per_axis((0.5, 0.25), 0)
    weight = graph.constant(np.ones((2, 3), np.int8), "w", quant)
    assert weight.type == TensorType(DType.I8, (2, 3), quant)
    assert weight.is_constant
    assert weight.location == Location.of("w")
    shape_only = graph.constant_of(Constant.abstract(), f32(3), "s")
    with pytest.raises(VerifyError, match="shape-only"):
        _ = shape_only.data
    x = graph.add_input("x", f32(3))
    with pytest.raises(VerifyError, match="%x is not a constant"):
        _ = x.data


def test_text_of_the_graph_itself(graph):
    assert graph.to_text() == TEXT
    assert Graph.parse(TEXT).to_text() == TEXT
    assert repr(graph) == "Graph(@net, 3 nodes)"
    assert repr(graph.nodes[0]) == "%a = conv2d(%x, %w, _)"
    assert repr(graph.inputs[0]) == "%x: f32[1,2,4,4]"
    assert bool(Graph())
    conv = graph.add(Conv2d(), graph.inputs[0], graph.find("w"), location=Location.of("l"))
    assert conv.output.location == Location.of("l")
