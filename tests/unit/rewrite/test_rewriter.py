import numpy as np
import pytest

from fpc.diagnostics.errors import VerifyError
from fpc.diagnostics.location import Location
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.ops import Add, Mul, Quantize, Relu, Relu6, Sigmoid, Split
from fpc.ir.types import QuantParams, f32
from fpc.ir.verifier import verify
from fpc.rewrite.rewriter import Rewriter


@pytest.fixture
def graph():
    """x -> relu a -> sigmoid b, returned."""
    graph = Graph("g")
    x = graph.add_input("x", f32(1, 4))
    a = graph.add(Relu(), x, name="a", location=Location.of("first"))
    b = graph.add(Sigmoid(), a.output, name="b", location=Location.of("second"))
    graph.set_outputs([b.output])
    return graph


def names(graph):
    return [value.name for node in graph for value in node.outputs]


def test_inserted_nodes_stand_where_their_anchor_is(graph):
    rewriter = Rewriter(graph)
    a, b = graph.nodes
    made = rewriter.insert(Relu6(), a.output, before=b, name="between")
    last = rewriter.insert(Relu6(), b.output, before=None)
    assert graph.nodes == (a, made, b, last)
    assert made.location == b.location
    assert not last.location
    assert rewriter.edits == 2


def test_a_replacement_inherits_names_and_locations(graph):
    rewriter = Rewriter(graph)
    a, b = graph.nodes
    made = rewriter.replace(b, Mul(), a.input(0), a.input(0), absorbing=[a])
    verify(graph)
    assert graph.nodes == (made,)
    assert names(graph) == ["b"]
    assert made.location == Location.of("second", "first")
    assert graph.outputs == (made.output,)


def test_absorbed_nodes_that_others_read_stay(graph):
    rewriter = Rewriter(graph)
    a, b = graph.nodes
    graph.set_outputs([b.output, a.output])
    rewriter.replace(b, Relu6(), a.input(0), absorbing=[a])
    assert [node.op.mnemonic for node in graph] == ["relu", "relu6"]


def test_a_replacement_keeps_the_quantisation(graph):
    params, other = QuantParams.per_tensor(0.5), QuantParams.per_tensor(0.25)
    rewriter = Rewriter(graph)
    b = graph.nodes[1]
    integer = graph.add(Quantize(), b.output, quant=params)
    graph.set_outputs([integer.output])
    same = rewriter.replace(integer, Quantize(DType.I8), b.output)
    assert same.output.type.quant == params
    given = rewriter.replace(
        same, Quantize(DType.I8), b.output, results=[same.output.type.with_quant(other)]
    )
    assert given.output.type.quant == other
    rewriter.retype(given.output, given.output.type.with_quant(params))
    assert given.output.type.quant == params


def test_a_value_that_was_there_keeps_its_name(graph):
    a, b = graph.nodes
    c = graph.add(Relu(), a.output, name="c")
    graph.set_outputs([b.output, c.output])
    d = graph.add(Relu6(), a.output, name="d")
    graph.add(Relu6(), d.output, name="e")
    Rewriter(graph).replace_with_values(d, [a.output])
    assert names(graph) == ["a", "b", "c", "e"]


def test_an_output_keeps_its_name_whoever_makes_it(graph):
    a, b = graph.nodes
    Rewriter(graph).replace_with_values(b, [a.output])
    assert names(graph) == ["b"]
    assert graph.outputs == (a.output,)


def test_results_of_several(graph):
    a, b = graph.nodes
    split = graph.add(Split(1, (1, 3)), b.output, names=["s", "t"])
    graph.set_outputs(split.outputs)
    rewriter = Rewriter(graph)
    made = rewriter.replace(split, Split(1, (1, 3)), a.output, absorbing=[b])
    assert [value.name for value in made.outputs] == ["s", "t"]
    assert graph.outputs == made.outputs


def test_attributes_and_operands(graph):
    rewriter = Rewriter(graph)
    a, b = graph.nodes
    total = graph.add(Add(), a.output, b.output, name="total")
    graph.set_outputs([total.output])
    made = rewriter.set_op(total, Add(Activation.RELU))
    assert made.op.activation is Activation.RELU
    assert made.output.name == "total"
    rewriter.set_input(made, 1, a.output)
    assert made.operands == (a.output, a.output)
    assert b.output.uses == ()
    assert rewriter.erase_if_unused(b)
    assert not rewriter.erase_if_unused(a)
    assert not rewriter.erase_if_unused(b)


def test_values_and_outputs(graph):
    rewriter = Rewriter(graph)
    a, b = graph.nodes
    rewriter.replace_value(a.output, graph.inputs[0])
    rewriter.erase(a)
    rewriter.set_outputs([b.output, graph.inputs[0]])
    verify(graph)
    assert names(graph) == ["b"]
    assert rewriter.edits == 3


def test_one_use_at_a_time(graph):
    rewriter = Rewriter(graph)
    a, b = graph.nodes
    graph.set_outputs([b.output, a.output])
    for use in a.output.uses:
        rewriter.redirect(use, graph.inputs[0])
    assert b.operands == graph.inputs
    assert graph.outputs == (b.output, graph.inputs[0])


def test_erasing_what_is_read_is_refused(graph):
    with pytest.raises(VerifyError, match="is still read by"):
        Rewriter(graph).erase(graph.nodes[0])


def test_constants_and_inputs(graph):
    rewriter = Rewriter(graph)
    params = QuantParams.per_tensor(0.5)
    constant = rewriter.constant(np.zeros(3, np.int8), "k", params)
    assert constant.type.quant == params
    assert rewriter.edits == 0, "a constant nobody reads changes nothing"
    rewriter.retype_input(graph.inputs[0], f32(1, 8))
    assert graph.inputs[0].type == f32(1, 8)
    rewriter.rename(graph.inputs[0], "image")
    assert graph.inputs[0].name == "image"
    assert rewriter.edits == 1
