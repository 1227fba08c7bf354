import numpy as np
import pytest

from fpc.ir.op import Activation
from fpc.ir.ops import (
    Add,
    AvgPool,
    Clip,
    Conv2d,
    ConvTranspose2d,
    Dense,
    Div,
    Function,
    GlobalAvgPool,
    LeakyRelu,
    MaxPool,
    Mul,
    Relu,
    Reshape,
    Resize,
    Sigmoid,
    Sub,
    Transpose,
    Unary,
)
from tests.unit.passes.case import Network, transform

PASS = "fold-scale-and-bias"
MAP = (1, 4, 6, 6)


def conv(net, x=None, name="conv", op=None):
    return net.add(op or Conv2d(), net.x if x is None else x, net.weights(4, 4, 1, 1), name=name)


def test_golden(golden):
    """After a convolution, before two, and a pair that nothing takes."""
    net = Network(*MAP)
    y = net.add(Mul(), conv(net, name="conv1"), net.weights(4, 1, 1), name="scale")
    y = net.add(Add(Activation.RELU), y, net.weights(4, 1, 1), name="bias")
    y = net.add(Mul(), y, net.constant(0.25), name="quarter")
    pooled = net.add(GlobalAvgPool(), y)
    gate = net.add(Sigmoid(), conv(net, pooled, name="conv2"))
    y = conv(net, net.add(Mul(), y, gate, name="gated"), name="conv3")
    y = net.add(Sigmoid(), y)
    y = net.add(Mul(), y, net.weights(1, 4, 1, 1), name="scale4")
    y = net.add(Add(Activation.RELU6), y, net.constant(3.0), name="bias4")
    assert transform(net.returns(y), PASS).text == golden


BINARY = [
    lambda n, x: n.add(Mul(), x, n.weights(4, 1, 1)),
    lambda n, x: n.add(Add(), n.weights(1, 4, 1, 1), x),
    lambda n, x: n.add(Sub(), x, n.weights(4, 1, 1)),
    lambda n, x: n.add(Sub(), n.weights(4, 1, 1), x),
    lambda n, x: n.add(Div(), x, n.positive(4, 1, 1)),
    lambda n, x: n.add(Mul(), x, n.constant(2.0)),
    lambda n, x: n.add(Unary(Function.NEG), x),
    lambda n, x: n.add(Mul(Activation.RELU6), x, n.constant(2.0)),
]


@pytest.mark.parametrize("make", BINARY)
@pytest.mark.parametrize("producer", [Conv2d(pads=(1, 1, 0, 0)), ConvTranspose2d(strides=(2, 2))])
def test_after_convolutions(make, producer):
    net = Network(*MAP)
    outcome = transform(net.returns(make(net, conv(net, op=producer))), PASS)
    assert outcome.ops == [producer.mnemonic]


@pytest.mark.parametrize("make", BINARY[:-1])
def test_before_convolutions(make):
    net = Network(*MAP)
    outcome = transform(net.returns(conv(net, make(net, net.x))), PASS)
    assert outcome.ops == ["conv2d"]


def test_bias_after_dense():
    """The bias that exporters write as a sum after a product of matrices."""
    net = Network(2, 5)
    y = net.add(Add(), net.add(Dense(), net.x, net.weights(3, 5)), net.weights(3))
    assert transform(net.returns(y), PASS).ops == ["dense"]


THROUGH = [
    Relu(),
    LeakyRelu(0.1),
    MaxPool((2, 2)),
    AvgPool((2, 2), pads=(1, 1, 1, 1), count_include_pad=True),
    GlobalAvgPool(),
    Resize((9, 9)),
    Transpose((0, 1, 3, 2)),
    Reshape((1, 4, 9, 4)),
]


@pytest.mark.parametrize("op", THROUGH)
def test_scales_reach_weights_through(op):
    net = Network(*MAP)
    y = net.add(Mul(), net.x, net.positive(4, 1, 1))
    outcome = transform(net.returns(conv(net, net.add(op, y))), PASS)
    assert outcome.ops == [op.mnemonic, "conv2d"]


def test_scales_reach_dense_layers_through_flattening():
    net = Network(*MAP)
    y = net.add(Mul(), net.x, net.constant(0.5))
    y = net.add(Dense(), net.add(Reshape((1, 144)), y), net.weights(3, 144))
    assert transform(net.returns(y), PASS).ops == ["reshape", "dense"]


BARRED = [
    (lambda n, x: n.add(Relu(), n.add(Mul(), x, n.constant(-2.0))), "no weights to fold into"),
    (lambda n, x: n.add(Relu(), n.add(Add(), x, n.constant(1.0))), "no weights to fold into"),
    (lambda n, x: n.add(Sigmoid(), n.add(Mul(), x, n.constant(2.0))), "no weights to fold into"),
    (
        lambda n, x: n.add(
            AvgPool((2, 2), pads=(1, 1, 1, 1), count_include_pad=True),
            n.add(Add(), x, n.constant(2.0)),
        ),
        "no weights to fold into",
    ),
    (
        lambda n, x: n.add(Reshape((1, 6, 4, 6)), n.add(Mul(), x, n.positive(4, 1, 1))),
        "no weights to fold into",
    ),
]


@pytest.mark.parametrize(("make", "reason"), BARRED)
def test_what_is_in_the_way(make, reason):
    net = Network(*MAP)
    y = make(net, net.x)
    y = net.add(Conv2d(), y, net.weights(2, y.type.shape[1], 1, 1))
    outcome = transform(net.returns(y), PASS)
    assert not outcome.modified
    assert reason in outcome.declined[0]


def test_products_that_see_the_scale_twice():
    net = Network(*MAP)
    y = net.add(Mul(), net.x, net.constant(0.5))
    squared = net.add(Mul(), y, y, name="square")
    outcome = transform(net.returns(conv(net, squared)), PASS)
    assert not outcome.modified
    assert "both factors" in outcome.declined[0]


@pytest.mark.parametrize("where", ["here", "beyond"])
def test_outputs_keep_their_values(where):
    net = Network(*MAP)
    y = net.add(Mul(), net.x, net.constant(0.5), name="half")
    pooled = net.add(MaxPool((2, 2)), y)
    outcome = transform(net.returns(conv(net, pooled), y if where == "here" else pooled), PASS)
    assert not outcome.modified
    assert "is the graph's output" in outcome.declined[0]


def test_shifts_before_padding_stay():
    net = Network(*MAP)
    y = net.add(Add(), net.x, net.constant(0.5))
    outcome = transform(net.returns(conv(net, y, op=Conv2d(pads=(1, 1, 1, 1)))), PASS)
    assert not outcome.modified
    assert "pads with zeros" in outcome.declined[0]


def test_a_clamp_stands_between():
    net = Network(*MAP)
    y = net.add(Mul(Activation.RELU), net.x, net.constant(0.5))
    outcome = transform(net.returns(conv(net, y)), PASS)
    assert not outcome.modified
    assert "relu comes between" in outcome.declined[0]


def test_positive_scales_pass_a_fused_relu():
    net = Network(*MAP)
    y = conv(net, op=Conv2d(activation=Activation.RELU))
    outcome = transform(net.returns(net.add(Mul(Activation.RELU6), y, net.constant(2.0))), PASS)
    (node,) = outcome.after.nodes
    assert node.op.activation is Activation.RELU6


def test_other_axes_stay():
    net = Network(*MAP)
    outcome = transform(net.returns(net.add(Mul(), conv(net), net.weights(6))), PASS)
    assert not outcome.modified
    along_width = net.add(Mul(), net.x, net.weights(6))
    assert not transform(net.returns(conv(net, along_width)), PASS).modified


def test_rows_of_products_and_sums_join():
    net = Network(2, 5)
    y = net.add(Mul(), net.add(Mul(), net.x, net.weights(5)), net.constant(2.0))
    y = net.add(Sigmoid(), y)
    y = net.add(Add(Activation.RELU), net.add(Add(), y, net.weights(2, 1)), net.weights(5))
    outcome = transform(net.returns(y), PASS)
    assert outcome.ops == ["mul", "sigmoid", "add"]


def test_rows_that_others_read_do_not_join():
    net = Network(2, 5)
    inner = net.add(Mul(), net.x, net.weights(5))
    y = net.add(Mul(), inner, net.weights(5))
    assert not transform(net.returns(y, inner), PASS).modified


def test_a_pair_of_a_map_becomes_a_depthwise_convolution():
    net = Network(*MAP)
    y = net.add(Mul(), net.x, net.weights(4, 1, 1), name="scale")
    y = net.add(Add(), y, net.weights(4, 1, 1), name="bias")
    outcome = transform(net.returns(net.add(Clip(0.0, 3.0), y)), PASS)
    node, _ = outcome.after.nodes
    assert node.op == Conv2d(groups=4)
    assert set(node.location.names) == {"scale", "bias"}


@pytest.mark.parametrize("bias", [False, True])
def test_depthwise_convolutions_of_one_tap(bias):
    net = Network(*MAP)
    operands = [net.weights(4, 1, 1, 1), net.weights(4) if bias else None]
    one_tap = Conv2d(groups=4, activation=Activation.RELU)
    after = net.add(one_tap, conv(net), *operands)
    before = conv(net, net.add(Conv2d(groups=4), net.x, *operands))
    assert transform(net.returns(after, before), PASS).ops == ["conv2d", "conv2d"]


@pytest.mark.parametrize(
    ("op", "taps"),
    [
        (Conv2d(groups=4, strides=(2, 2)), 1),
        (Conv2d(groups=4, pads=(1, 1, 1, 1)), 1),
        (Conv2d(groups=4), 3),
        (Conv2d(groups=2), 1),
    ],
)
def test_other_convolutions_stay(op, taps):
    net = Network(*MAP)
    y = net.add(op, conv(net), net.weights(4, 4 // op.groups, taps, taps))
    outcome = transform(net.returns(y), PASS)
    assert not outcome.modified
    assert not outcome.declined


def test_no_pair_where_the_product_is_read_or_clamped():
    net = Network(*MAP)
    scaled = net.add(Mul(), net.x, net.weights(4, 1, 1))
    y = net.add(Add(), scaled, net.weights(4, 1, 1))
    assert not transform(net.returns(y, scaled), PASS).modified
    clamped = net.add(Mul(Activation.RELU), net.x, net.weights(4, 1, 1))
    y = net.add(Add(), clamped, net.weights(4, 1, 1))
    assert not transform(net.returns(y), PASS).modified
    by_row = net.add(Mul(), net.x, net.weights(6, 1))
    assert not transform(net.returns(net.add(Add(), by_row, net.constant(1.0))), PASS).modified


def test_shared_weights_and_constants_stay_as_they_are():
    net = Network(*MAP)
    shared, factor = net.weights(4, 4, 1, 1), net.weights(4, 1, 1)
    y = net.add(Mul(), net.add(Conv2d(), net.x, shared), factor)
    z = net.add(Mul(), net.add(Sigmoid(), net.add(Conv2d(), net.x, shared)), factor)
    outcome = transform(net.returns(y, z), PASS)
    assert outcome.ops == ["conv2d", "conv2d", "sigmoid", "mul"]
    assert outcome.after.nodes[1].input(1).constant.digest == shared.constant.digest


def test_infinite_constants_are_declined():
    net = Network(*MAP)
    y = net.add(Mul(), conv(net), net.constant(np.inf))
    outcome = transform(net.returns(y), PASS, same_function=False)
    assert not outcome.modified
    assert "not finite" in outcome.declined[0]


def test_two_activations_are_no_constant():
    net = Network(*MAP)
    assert not transform(net.returns(net.add(Add(), conv(net), net.x)), PASS).modified
