import numpy as np
import pytest

from fpc.ir.op import Activation, Layout
from fpc.ir.ops import (
    AvgPool,
    Conv2d,
    GlobalAvgPool,
    LeakyRelu,
    MaxPool,
    Pad,
    PadMode,
    Relu,
    Sigmoid,
)
from tests.unit.passes.case import Network, transform

PASS = "fuse-pad"
MAP = (1, 4, 6, 6)


def padded(net, x, value=0.0, mode=PadMode.CONSTANT, before=(0, 0, 1, 0), after=(0, 0, 0, 1)):
    return net.add(Pad(before, after, value, mode), x, name="pad")


def test_golden(golden):
    """A pad with two readers: the convolution takes its own copy, the sigmoid keeps the pad."""
    net = Network(*MAP)
    y = padded(net, padded(net, net.x))
    conv = net.add(Conv2d(pads=(1, 1, 1, 1)), y, net.weights(2, 4, 3, 3), name="conv")
    assert transform(net.returns(conv, net.add(Sigmoid(), y)), PASS).text == golden


@pytest.mark.parametrize("layout", list(Layout))
def test_convolutions(layout):
    net = Network(*MAP)
    height, width = layout.spatial_axes
    before = tuple(int(axis == height) for axis in range(4))
    after = tuple(2 * int(axis == width) for axis in range(4))
    y = padded(net, net.x, before=before, after=after)
    channels = MAP[layout.channel_axis]
    weights = net.weights(*layout.shape(2, channels, 3, 3))
    y = net.add(Conv2d(pads=(0, 1, 0, 0), layout=layout), y, weights)
    (node,) = transform(net.returns(y), PASS).after.nodes
    assert node.op.pads == (1, 1, 0, 2)


BARRED = [
    ({"value": 1.0}, Conv2d(), "conv2d pads with zeros, the pad with 1.0"),
    ({"before": (0, 1, 0, 0)}, Conv2d(), "more than height and width"),
    ({"value": 1.0}, AvgPool((2, 2)), "avg_pool pads with zeros, the pad with 1.0"),
    ({}, AvgPool((2, 2), pads=(1, 1, 1, 1)), "over some of its padding only"),
    ({}, MaxPool((2, 2)), "may win in max_pool"),
    ({"value": -np.inf, "after": (0, 0, 3, 0)}, MaxPool((2, 2)), "may hold padding only"),
    ({"value": -np.inf}, MaxPool((2, 2), dilations=(2, 2)), "may hold padding only"),
]


@pytest.mark.parametrize(("options", "op", "reason"), BARRED)
def test_what_is_in_the_way(options, op, reason):
    net = Network(*MAP)
    y = padded(net, net.x, **options)
    weights = [net.weights(2, y.type.shape[1], 2, 2)] if isinstance(op, Conv2d) else []
    outcome = transform(net.returns(net.add(op, y, *weights)), PASS, same_function=False)
    assert not outcome.modified
    assert reason in outcome.declined[0]


def test_other_pads_and_operators_stay():
    net = Network(*MAP)
    y = padded(net, net.x, mode=PadMode.EDGE)
    y = net.add(Conv2d(), y, net.weights(2, 4, 2, 2))
    z = net.add(Pad((0, 0, 1, 1), (0, 0, 0, 0), mode=PadMode.REFLECT), padded(net, net.x))
    u = net.add(Pad((0, 0, 1, 1), (0, 0, 0, 0), 1.0), padded(net, net.x))
    v = net.add(Relu(), padded(net, net.x))
    assert not transform(net.returns(y, z, u, v), PASS).modified


@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 0, 1, 0)])
def test_average_pools(pads):
    net = Network(*MAP)
    op = AvgPool((2, 2), pads=pads, count_include_pad=any(pads))
    (node,) = transform(net.returns(net.add(op, padded(net, net.x))), PASS).after.nodes
    assert node.op.count_include_pad


NON_NEGATIVE = [
    lambda n: n.add(Relu(), n.x),
    lambda n: n.add(Sigmoid(), n.x),
    lambda n: n.add(Conv2d(activation=Activation.RELU6), n.x, n.weights(4, 4, 1, 1)),
    lambda n: n.add(MaxPool((2, 2)), n.add(Relu(), n.x)),
    lambda n: n.positive(*MAP),
]


@pytest.mark.parametrize("make", NON_NEGATIVE)
def test_max_pools_of_values_that_are_not_negative(make):
    net = Network(*MAP)
    y = net.add(MaxPool((2, 2), pads=(0, 1, 0, 0)), padded(net, make(net)))
    outcome = transform(net.returns(y), PASS)
    assert "pad" not in outcome.ops


@pytest.mark.parametrize("op", [LeakyRelu(0.1), GlobalAvgPool()])
def test_max_pools_of_values_that_may_be_negative(op):
    net = Network(*MAP)
    y = net.add(MaxPool((2, 2)), padded(net, net.add(op, net.x)))
    assert not transform(net.returns(y), PASS).modified


def test_max_pools_take_the_least_value():
    net = Network(*MAP)
    y = net.add(MaxPool((2, 2)), padded(net, net.x, value=-np.inf))
    assert transform(net.returns(y), PASS).ops == ["max_pool"]
