import pytest

from fpc.ir.op import Activation
from fpc.ir.ops import (
    Add,
    Clip,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Div,
    MaxPool,
    Mul,
    Relu,
    Relu6,
    Reshape,
    Sigmoid,
    Sub,
    Transpose,
)
from tests.unit.passes.case import Network, transform

PASS = "fuse-activation"


def conv(net, op=None, name="conv"):
    return net.add(op or Conv2d(), net.x, net.weights(4, 4, 1, 1), net.weights(4), name=name)


def test_golden(golden):
    """Into a convolution, through a pool and into a sum; a shared convolution is left alone."""
    net = Network(1, 4, 6, 6)
    y = net.add(Relu(), conv(net, name="conv1"), name="relu1")
    z = net.add(Relu6(), net.add(MaxPool((2, 2)), conv(net, name="conv2")), name="relu2")
    s = net.add(Clip(-1.0, 1.0), net.add(Add(), y, net.x), name="clip")
    shared = conv(net, name="conv3")
    t = net.add(Relu(), shared, name="relu3")
    assert transform(net.returns(s, z, t, shared), PASS).text == golden


PRODUCERS = [
    lambda net: net.add(Conv2d(), net.x, net.weights(4, 4, 1, 1)),
    lambda net: net.add(ConvTranspose2d(strides=(2, 2)), net.x, net.weights(4, 4, 2, 2)),
    lambda net: net.add(Dense(), net.x, net.weights(5, 6)),
    lambda net: net.add(Add(), net.x, net.x),
    lambda net: net.add(Sub(), net.x, net.weights(4, 1, 1)),
    lambda net: net.add(Mul(), net.x, net.x),
    lambda net: net.add(Div(), net.x, net.positive(6)),
]


@pytest.mark.parametrize("producer", PRODUCERS)
@pytest.mark.parametrize("clamp", [Relu(), Relu6(), Clip(-1.0, 1.0), Clip(0.0, 6.0)])
def test_producers(producer, clamp):
    net = Network(1, 4, 6, 6)
    outcome = transform(net.returns(net.add(clamp, producer(net))), PASS)
    assert len(outcome.after) == 1


@pytest.mark.parametrize(
    ("fused", "clamp", "expected"),
    [
        (Activation.RELU, Relu6(), Activation.RELU6),
        (Activation.RELU6, Relu(), Activation.RELU6),
        (Activation.RELU, Relu(), Activation.RELU),
        (Activation.RELU, Clip(None, 6.0), Activation.RELU6),
        (Activation.RELU6, Clip(-1.0, 1.0), None),
    ],
)
def test_two_clamps(fused, clamp, expected):
    net = Network(1, 4, 6, 6)
    outcome = transform(net.returns(net.add(clamp, conv(net, Conv2d(activation=fused)))), PASS)
    if expected is None:
        assert "no fused activation" in outcome.declined[0]
    else:
        (node,) = outcome.after.nodes
        assert node.op.activation is expected


def test_other_clamps_stay():
    net = Network(1, 4, 6, 6)
    outcome = transform(net.returns(net.add(Clip(0.0, 3.0), conv(net))), PASS)
    assert not outcome.modified
    assert "no fused activation" in outcome.declined[0]


def test_other_producers_stay():
    net = Network(1, 4, 6, 6)
    outcome = transform(net.returns(net.add(Relu(), net.add(Sigmoid(), net.x))), PASS)
    assert not outcome.modified
    assert outcome.declined == []
    assert not transform(net.returns(net.add(Relu(), net.x)), PASS).modified


def test_kept_activations_stay():
    net = Network(1, 4, 6, 6)
    y = net.add(Relu6(), net.add(Relu(), conv(net)))
    assert transform(net.returns(y), f"{PASS}{{keep=relu}}").ops == ["conv2d", "relu", "relu6"]
    both = f"{PASS}{{keep=[relu, relu6]}}"
    assert not transform(net.returns(y), both).modified


@pytest.mark.parametrize("reader", ["output", "node"])
def test_a_value_that_others_read_is_left_alone(reader):
    net = Network(1, 4, 6, 6)
    y = conv(net)
    other = y if reader == "output" else net.add(Sigmoid(), y)
    outcome = transform(net.returns(net.add(Relu(), y), other), PASS)
    assert not outcome.modified
    assert "%conv is also read by" in outcome.declined[0]


def test_movement_between_is_crossed():
    net = Network(1, 4, 6, 6)
    y = net.add(Transpose((0, 2, 3, 1)), conv(net))
    y = net.add(Relu(), net.add(Reshape((1, 144)), y))
    outcome = transform(net.returns(y), PASS)
    assert outcome.ops == ["conv2d", "transpose", "reshape"]
    assert set(outcome.after.nodes[0].location.names) == {"conv", "relu"}


def test_shared_movement_is_not_crossed():
    net = Network(1, 4, 6, 6)
    moved = net.add(Reshape((1, 144)), conv(net))
    assert not transform(net.returns(net.add(Relu(), moved), moved), PASS).modified

    net = Network(1, 4, 6, 6)
    y = conv(net)
    outcome = transform(net.returns(net.add(Relu(), net.add(Reshape((1, 144)), y)), y), PASS)
    assert not outcome.modified
    assert "also read by" in outcome.declined[0]
