import numpy as np
import pytest

from fpc.ir.graph import Graph
from fpc.ir.ops import Add, Clip, Div, LeakyRelu, Mul, Relu, Relu6, Split, Sub
from fpc.ir.types import f32
from fpc.rewrite.pattern import anything, const, match, one_of, op, scalar_of


@pytest.fixture
def graph():
    graph = Graph("g")
    graph.add_input("x", f32(1, 4))
    return graph


def constant(graph, data):
    return graph.constant(np.asarray(data, np.float32), "c")


def hard_swish(graph, x, three=3.0):
    gate = graph.add(Clip(0.0, 6.0), graph.add(Add(), x, constant(graph, three)).output).output
    return graph.add(Div(), graph.add(Mul(), gate, x).output, constant(graph, 6.0)).output


def pattern():
    x = anything()
    gate = op(Clip, op(Add, x, const(3.0)), minimum=0.0, maximum=6.0)
    return x, op(Div, op(Mul, x, gate), const(6.0))


def test_an_expression_binds_its_variables(graph):
    (x,) = graph.inputs
    y = hard_swish(graph, x)
    variable, shape = pattern()
    found = match(shape, y)
    assert found is not None
    assert found[variable] is x
    assert found.root is y.producer
    assert [node.op.mnemonic for node in found.nodes] == ["div", "mul", "clip", "add"]


def test_constants_match_within_rounding(graph):
    (x,) = graph.inputs
    for number, fits in ((3.000001, True), (3.1, False)):
        assert (match(pattern()[1], hard_swish(graph, x, number)) is not None) == fits
    vector = hard_swish(graph, x, np.full(4, 3.0))
    assert match(pattern()[1], vector) is not None
    uneven = hard_swish(graph, x, [3.0, 3.0, 3.0, 2.0])
    assert match(pattern()[1], uneven) is None


def test_attributes_must_agree(graph):
    (x,) = graph.inputs
    y = graph.add(LeakyRelu(0.1), x).output
    assert match(op(LeakyRelu, anything(), alpha=0.1000001), y) is not None
    assert match(op(LeakyRelu, anything(), alpha=0.2), y) is None
    assert match(op(Clip, anything(), minimum=None), graph.add(Clip(None, 1.0), x).output)


def test_only_commutative_operators_match_in_either_order(graph):
    (x,) = graph.inputs
    two = constant(graph, 2.0)
    assert match(op(Add, const(2.0), anything()), graph.add(Add(), x, two).output)
    assert match(op(Sub, const(2.0), anything()), graph.add(Sub(), x, two).output) is None


def test_a_variable_stands_for_one_value(graph):
    (x,) = graph.inputs
    other = graph.add(Relu(), x).output
    same = anything()
    assert match(op(Mul, same, same), graph.add(Mul(), x, x).output)
    assert match(op(Mul, same, same), graph.add(Mul(), x, other).output) is None


def test_alternatives(graph):
    (x,) = graph.inputs
    inner = anything()
    clamp = one_of(op(Relu6, inner), op(Clip, inner, minimum=0.0, maximum=6.0))
    for made in (Relu6(), Clip(0.0, 6.0)):
        found = match(clamp, graph.add(made, x).output)
        assert found is not None
        assert found[inner] is x
    assert match(clamp, graph.add(Relu(), x).output) is None
    assert match(op((Relu, Relu6), inner), graph.add(Relu(), x).output)


def test_what_does_not_match(graph):
    (x,) = graph.inputs
    two = constant(graph, 2.0)
    piece = graph.add(Split(1, (2, 2)), x).outputs[0]
    assert match(op(Relu, anything()), x) is None
    assert match(op(Split, anything()), piece) is None
    assert match(op(Add, anything()), graph.add(Add(), x, two).output) is None
    assert match(const(), x) is None
    assert match(const(), two) is not None


def test_readers_outside_the_match(graph):
    (x,) = graph.inputs
    y = hard_swish(graph, x)
    graph.set_outputs([y])
    found = match(pattern()[1], y)
    assert found is not None
    assert found.escapes() is None
    gate = found.nodes[2]
    graph.add(Relu(), gate.output)
    assert found.escapes() is gate


def test_scalar_of(graph):
    assert scalar_of(constant(graph, [2.0, 2.0])) == 2.0
    assert scalar_of(constant(graph, [2.0, 1.0])) is None
    assert scalar_of(constant(graph, np.zeros((0,)))) is None
    assert scalar_of(graph.inputs[0]) is None
