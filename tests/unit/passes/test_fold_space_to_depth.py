import pytest

from fpc.ir.op import Activation, Layout
from fpc.ir.ops import Concat, Conv2d, Relu, Slice
from tests.unit.passes.case import Network, transform

PASS = "fold-space-to-depth"
OFFSETS = ((0, 0), (1, 0), (0, 1), (1, 1))


def cut(net, offset, block=2, ends=(8, 12)):
    starts, ends = (0, 0, *offset), (1, 3, *ends)
    return net.add(Slice(starts, ends, (1, 1, block, block)), net.x, name="piece")


def focus(net, offsets=OFFSETS, block=2, axis=1):
    return net.add(Concat(axis), *(cut(net, offset, block) for offset in offsets), name="stack")


def convolve(net, y, op=None, filters=4):
    op = op or Conv2d(pads=(1, 1, 1, 1), activation=Activation.RELU)
    channels = y.type.shape[1] // op.groups
    return net.add(op, y, net.weights(filters, channels, 3, 3), net.weights(filters), name="conv")


def test_golden(golden):
    net = Network(1, 3, 8, 12)
    assert transform(net.returns(convolve(net, focus(net))), PASS).text == golden


@pytest.mark.parametrize("block", [2, 4])
@pytest.mark.parametrize(
    "op", [Conv2d(), Conv2d(strides=(2, 1)), Conv2d(pads=(1, 0, 2, 1), strides=(1, 2))]
)
def test_convolutions(op, block):
    net = Network(1, 3, 8, 12)
    offsets = [(row, column) for column in range(block) for row in range(block)]
    y = focus(net, offsets, block)
    if block == 4:
        op = Conv2d(op.strides, (1, 1, 1, 1))
    outcome = transform(net.returns(convolve(net, y, op), convolve(net, y, op, 2)), PASS)
    assert outcome.ops == ["conv2d", "conv2d"]


@pytest.mark.parametrize("op", [Conv2d(groups=2), Conv2d(dilations=(2, 1), pads=(1, 0, 1, 0))])
def test_other_convolutions_stay(op):
    net = Network(1, 3, 8, 12)
    outcome = transform(net.returns(convolve(net, focus(net), op)), PASS)
    assert not outcome.modified
    assert "no plain convolution" in outcome.declined[0]


def test_other_readers_stay():
    net = Network(1, 3, 8, 12)
    y = focus(net)
    assert "is no plain" in transform(net.returns(net.add(Relu(), y)), PASS).declined[0]
    outcome = transform(net.returns(convolve(net, y), y), PASS)
    assert "is the graph's output" in outcome.declined[0]
    weights = net.weights(4, 4, 1, 6)
    nhwc = net.add(Conv2d(layout=Layout.NHWC), y, weights)
    assert not transform(net.returns(nhwc), PASS).modified


STACKS = [
    lambda n: focus(n, OFFSETS[:3]),
    lambda n: focus(n, (*OFFSETS[:3], OFFSETS[0])),
    lambda n: focus(n, axis=2),
    lambda n: n.add(Concat(1), n.x, n.x),
    lambda n: n.add(Concat(1), cut(n, (0, 0)), n.weights(1, 3, 4, 6)),
    lambda n: n.add(Concat(1), *(cut(n, (0, 0), 1) for _ in range(4))),
    lambda n: n.add(Concat(1), *(cut(n, o, ends=(6, 12)) for o in OFFSETS)),
    lambda n: n.add(Concat(1), cut(n, (0, 0)), n.add(Relu(), cut(n, (0, 1)))),
]


@pytest.mark.parametrize("make", STACKS)
def test_other_stacks_stay(make):
    net = Network(1, 3, 8, 12)
    outcome = transform(net.returns(convolve(net, make(net))), PASS)
    assert not outcome.modified
    assert not outcome.declined


def test_maps_that_do_not_divide_stay():
    net = Network(1, 3, 7, 12)
    pieces = [cut(net, offset, ends=(7 - 1 + offset[0], 12)) for offset in OFFSETS]
    y = net.add(Concat(1), *pieces)
    assert not transform(net.returns(convolve(net, y)), PASS).modified
