import numpy as np
import pytest

from fpc.ir.op import Layout
from fpc.ir.ops import (
    AvgPool,
    Clip,
    Conv2d,
    GlobalAvgPool,
    HardSigmoid,
    HardSwish,
    Mul,
    Sigmoid,
    Silu,
)
from tests.unit.passes.case import Network, transform

PASS = "legalise"
MAP = (1, 4, 6, 6)


def conv(net, x, name="conv"):
    return net.add(Conv2d(), x, net.weights(4, 4, 1, 1), net.weights(4), name=name)


def test_golden(golden):
    """A block of MobileNetV3: the sixth of hard-swish passes the gate into the last convolution."""
    net = Network(*MAP)
    y = net.add(HardSwish(), conv(net, net.x, "expand"), name="hswish")
    gate = net.add(HardSigmoid(), conv(net, net.add(GlobalAvgPool(), y), "se"), name="gate")
    y = conv(net, net.add(Mul(), y, gate, name="gated"), "project")
    assert transform(net.returns(y), f"{PASS}{{hard-swish=decompose}}").text == golden


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (HardSwish(), PASS),
        (Silu(), f"{PASS}{{silu=keep}}"),
        (HardSigmoid(), f"{PASS}{{hard-sigmoid=keep}}"),
        (AvgPool((2, 2)), PASS),
        (AvgPool((3, 3), (2, 2), (1, 1, 1, 1)), f"{PASS}{{uneven-mean=keep}}"),
        (Sigmoid(), PASS),
    ],
)
def test_what_the_target_has_stays(op, text):
    net = Network(*MAP)
    assert not transform(net.returns(net.add(op, net.x)), text).modified


def test_silu():
    net = Network(*MAP)
    assert transform(net.returns(net.add(Silu(), net.x)), PASS).ops == ["sigmoid", "mul"]


def test_hard_sigmoid_after_weights_is_a_clip():
    net = Network(*MAP)
    for op in (HardSigmoid(), HardSigmoid(0.2, 0.5)):
        outcome = transform(net.returns(net.add(op, conv(net, net.x))), PASS)
        assert outcome.ops == ["conv2d", "clip"]
        assert outcome.after.nodes[1].op == Clip(0.0, 1.0)


def test_hard_sigmoid_without_weights():
    net = Network(*MAP)
    outcome = transform(net.returns(net.add(HardSigmoid(), net.x)), PASS)
    assert outcome.ops == ["add", "mul"]
    outcome = transform(net.returns(net.add(HardSigmoid(0.2, 0.5), net.x)), PASS)
    assert outcome.ops == ["mul", "add", "clip"]


def test_hard_sigmoid_after_weights_that_others_read():
    net = Network(*MAP)
    y = conv(net, net.x)
    assert transform(net.returns(net.add(HardSigmoid(), y), y), PASS).ops == [
        "conv2d",
        "add",
        "mul",
    ]


def test_hard_swish():
    net = Network(*MAP)
    y = net.add(HardSwish(), net.x)
    text = f"{PASS}{{hard-swish=decompose}}"
    assert transform(net.returns(y), text).ops == ["add", "mul", "mul"]
    assert transform(net.returns(conv(net, y)), text).ops == ["add", "mul", "conv2d"]


def test_average_pools_as_depthwise_convolutions():
    text = f"{PASS}{{avg-pool=depthwise}}"
    for op, expected in (
        (AvgPool((3, 3), (2, 2)), ["conv2d"]),
        (AvgPool((2, 2), pads=(1, 0, 0, 1), count_include_pad=True), ["conv2d"]),
        (AvgPool((6, 5)), ["avg_pool"]),
        (AvgPool((3, 3), pads=(1, 1, 1, 1)), ["conv2d", "mul"]),
        (AvgPool((3, 3), (2, 2), (1, 1, 1, 1)), ["conv2d", "mul"]),
    ):
        net = Network(*MAP)
        outcome = transform(net.returns(net.add(op, net.x)), text)
        assert outcome.ops == expected
        assert bool(outcome.declined) == (expected == ["avg_pool"])


UNEVEN = [
    ((6, 6), AvgPool((3, 3), (1, 1), (1, 1, 1, 1)), False),
    ((6, 6), AvgPool((3, 3), (2, 2), (0, 0, 1, 1)), False),
    ((6, 6), AvgPool((3, 3), (2, 2), (1, 1, 1, 1)), True),
    ((6, 6), AvgPool((3, 3), (2, 2), (1, 1, 0, 0)), True),
    ((7, 7), AvgPool((3, 3), (2, 2), (1, 1, 1, 1)), False),
    ((6, 6), AvgPool((2, 2), (1, 1), (1, 0, 0, 0)), True),
    ((6, 6), AvgPool((3, 3), (1, 1), (2, 2, 2, 2)), True),
]


@pytest.mark.parametrize(("side", "op", "uneven"), UNEVEN)
@pytest.mark.parametrize("layout", list(Layout))
def test_means_over_uneven_padding(side, op, uneven, layout):
    net = Network(*layout.shape(1, 4, *side))
    moved = type(op)(op.kernel, op.strides, op.pads, op.count_include_pad, layout)
    outcome = transform(net.returns(net.add(moved, net.x)), PASS)
    assert outcome.ops == (["avg_pool", "mul"] if uneven else ["avg_pool"])
    if uneven:
        share = outcome.after.nodes[1].input(1).data
        assert np.all(share >= 1.0)
