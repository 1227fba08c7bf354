import numpy as np

from fpc.ir.constant import Constant
from fpc.ir.dtype import DType
from fpc.ir.ops import Add, Concat, Dequantize, Mul, Relu, Reshape, Split
from fpc.ir.types import QuantParams, f32
from tests.unit.passes.case import Network, transform

PASS = "fold-constants"


def test_golden(golden):
    """A chain folds whole; what depends on the input stays."""
    net = Network(1, 4)
    c = net.add(Mul(), net.weights(4), net.constant(2.0), name="scaled")
    first, second = net.add(Split(0, (2, 2)), net.add(Relu(), c))
    joined = net.add(Concat(0), second, first)
    assert transform(net.returns(net.add(Add(), net.x, joined)), PASS).text == golden


def test_large_results_stay_computed():
    net = Network(8, 8)
    wide = net.add(Add(), net.weights(8, 1), net.weights(1, 8))
    graph = net.returns(net.add(Add(), net.x, wide))
    outcome = transform(graph, f"{PASS}{{limit=63}}")
    assert not outcome.modified
    assert "a constant of 64 elements" in outcome.declined[0]
    assert transform(graph, f"{PASS}{{limit=64}}").ops == ["add"]


def test_large_results_no_larger_than_the_operands_fold():
    net = Network(8, 8)
    moved = net.add(Reshape((8, 8)), net.weights(64))
    assert transform(net.returns(net.add(Add(), net.x, moved)), f"{PASS}{{limit=1}}").ops == ["add"]


def test_outputs_and_unknown_constants_stay():
    net = Network(1, 4)
    outcome = transform(net.returns(net.add(Relu(), net.weights(4))), PASS)
    assert not outcome.modified
    assert "an output of the graph" in outcome.declined[0]
    abstract = net.graph.constant_of(Constant.abstract(), f32(4), "a")
    y = net.add(Add(), net.x, net.add(Relu(), abstract))
    assert not transform(net.returns(y), PASS, same_function=False).modified


def test_quantised_constants():
    net = Network(1, 4)
    params = QuantParams.per_tensor(0.5, 3)
    integers = net.graph.constant(np.array([-128, 3, 4, 127], np.int8), "q", params)
    y = net.add(Add(), net.x, net.add(Dequantize(), integers))
    outcome = transform(net.returns(y), PASS)
    (node,) = outcome.after.nodes
    np.testing.assert_array_equal(node.input(1).data, [-65.5, 0.0, 0.5, 62.0])
    assert node.input(1).type.dtype is DType.F32
