from fpc.ir.dtype import DType
from fpc.ir.ops import Add, Conv2d, Quantize, Relu, Sigmoid
from fpc.ir.types import QuantParams
from tests.unit.passes.case import Network, transform

PASS = "cse"


def test_golden(golden):
    """Equal chains merge, and equal constants count as one."""
    net = Network(1, 4, 6, 6)
    twice = [
        net.add(Relu(), net.add(Conv2d(), net.x, net.constant([[[[0.5]]] * 4] * 2), name=name))
        for name in ("conv1", "conv2")
    ]
    assert transform(net.returns(net.add(Add(), *twice)), PASS).text == golden


def test_different_things_stay():
    net = Network(1, 4, 6, 6)
    a = net.add(Conv2d(), net.x, net.weights(4, 4, 1, 1))
    b = net.add(Conv2d(), net.x, net.weights(4, 4, 1, 1))
    c = net.add(Conv2d(strides=(2, 2)), net.x, net.weights(4, 4, 1, 1))
    assert not transform(net.returns(net.add(Add(), a, b), c), PASS).modified


def test_different_quantisation_stays():
    net = Network(1, 4)
    values = [
        net.add(Quantize(DType.I8), net.x, quant=QuantParams.per_tensor(scale))
        for scale in (0.5, 0.25, 0.5)
    ]
    assert transform(net.returns(*values[:2]), PASS).ops == ["quantize", "quantize"]


def test_outputs_keep_their_names():
    net = Network(1, 4)
    a, b = (net.add(Relu(), net.x, name=name) for name in ("a", "b"))
    outcome = transform(net.returns(a, b), PASS)
    assert not outcome.modified
    assert "is an output equal to" in outcome.declined[0]
    net = Network(1, 4)
    a, b = (net.add(Relu(), net.x, name=name) for name in ("a", "b"))
    assert not transform(net.returns(net.add(Sigmoid(), a), b), PASS).modified
