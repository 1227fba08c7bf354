import numpy as np
import pytest

from fpc.ir.dtype import DType
from fpc.ir.op import Activation
from fpc.ir.ops import (
    Add,
    AvgPool,
    Cast,
    Clip,
    Concat,
    Conv2d,
    DepthToSpace,
    Div,
    GlobalAvgPool,
    LeakyRelu,
    Maximum,
    MaxPool,
    Minimum,
    Mul,
    Pad,
    ReduceMean,
    Relu,
    Relu6,
    Requantize,
    Reshape,
    Resize,
    Slice,
    Split,
    Sub,
    Transpose,
)
from fpc.ir.types import QuantParams, TensorType
from tests.unit.passes.case import Network, transform

PASS = "drop-identity"
MAP = (1, 4, 6, 6)

IDENTITIES = [
    (MAP, Reshape(MAP)),
    (MAP, Transpose((0, 1, 2, 3))),
    ((1, 1, 1, 6), Transpose((2, 0, 1, 3))),
    (MAP, Slice((0, 0, 0, 0), MAP, (1, 1, 1, 1))),
    (MAP, Pad((0,) * 4, (0,) * 4)),
    (MAP, Concat(1)),
    (MAP, Split(1, (4,))),
    (MAP, Cast(DType.F32)),
    (MAP, Resize((6, 6))),
    (MAP, DepthToSpace(1)),
    (MAP, MaxPool((1, 1))),
    (MAP, AvgPool((1, 1))),
    ((1, 4, 1, 1), GlobalAvgPool()),
    ((1, 4, 1, 1), ReduceMean((2, 3))),
    (MAP, Clip(None, None)),
    (MAP, LeakyRelu(1.0)),
]
CHANGES = [
    (MAP, Reshape((4, 36))),
    (MAP, Transpose((0, 1, 3, 2))),
    (MAP, MaxPool((1, 1), (2, 2))),
    (MAP, AvgPool((3, 3), pads=(1, 1, 1, 1))),
    (MAP, Slice((0, 0, 0, 0), (1, 4, 6, 3), (1, 1, 1, 1))),
    (MAP, Clip(0.0, None)),
    (MAP, Relu()),
    (MAP, LeakyRelu(0.5)),
    (MAP, ReduceMean((2, 3))),
]


def surrounded(net, make):
    """`make` between two nodes, so that no name stands in the way."""
    return net.returns(net.add(LeakyRelu(0.1), make(net.add(LeakyRelu(0.2), net.x))))


@pytest.mark.parametrize(("shape", "op"), IDENTITIES)
def test_identities(shape, op):
    net = Network(*shape)
    outcome = transform(surrounded(net, lambda x: net.add(op, x)), PASS)
    assert outcome.ops == ["leaky_relu", "leaky_relu"]


@pytest.mark.parametrize(("shape", "op"), CHANGES)
def test_what_changes_something_stays(shape, op):
    net = Network(*shape)
    assert not transform(surrounded(net, lambda x: net.add(op, x)), PASS).modified


NEUTRAL = [
    (Add(), 0.0, True),
    (Add(), 1.0, False),
    (Sub(), 0.0, True),
    (Mul(), 1.0, True),
    (Mul(), 0.0, False),
    (Div(), 1.0, True),
    (Add(Activation.RELU), 0.0, False),
]


@pytest.mark.parametrize(("op", "number", "drops"), NEUTRAL)
def test_neutral_constants(op, number, drops):
    net = Network(*MAP)
    constant = net.constant(np.full((4, 1, 1), number))
    outcome = transform(surrounded(net, lambda x: net.add(op, x, constant)), PASS)
    assert outcome.modified == drops


@pytest.mark.parametrize(("op", "drops"), [(Add(), True), (Sub(), False)])
def test_neutral_constant_first(op, drops):
    net = Network(*MAP)
    zero = net.constant(0.0)
    outcome = transform(surrounded(net, lambda x: net.add(op, zero, x)), PASS)
    assert outcome.modified == drops


def test_a_neutral_constant_that_broadcasts_stays():
    net = Network(1, 4)
    zeros = net.constant(np.zeros((3, 4)))
    assert not transform(surrounded(net, lambda x: net.add(Add(), x, zeros)), PASS).modified


@pytest.mark.parametrize("op", [Maximum(), Minimum()])
def test_extremum_of_one_value(op):
    net = Network(*MAP)
    assert transform(surrounded(net, lambda x: net.add(op, x, x)), PASS).modified


CLAMPS = [
    (Relu(), Relu(), True),
    (Relu6(), Relu(), True),
    (Relu6(), Clip(-1.0, 7.0), True),
    (Relu(), Clip(0.0, 6.0), False),
    (LeakyRelu(0.1), Relu(), False),
    (Add(Activation.RELU6), Relu(), True),
    (Add(Activation.NONE), Relu(), False),
]


@pytest.mark.parametrize(("before", "clamp", "drops"), CLAMPS)
def test_a_clamp_after_a_tighter_one(before, clamp, drops):
    net = Network(*MAP)
    operands = (net.x, net.x) if isinstance(before, Add) else (net.x,)
    outcome = transform(net.returns(net.add(clamp, net.add(before, *operands))), PASS)
    assert outcome.modified == drops


def test_the_output_keeps_its_name():
    net = Network(1, 4, 6, 6)
    y = net.add(Conv2d(), net.x, net.weights(4, 4, 1, 1), name="conv")
    outcome = transform(net.returns(net.add(Reshape(MAP), y, name="result")), PASS)
    assert outcome.ops == ["conv2d"]
    assert outcome.after.outputs[0].name == "result"


def test_an_identity_between_two_names_stays():
    net = Network(*MAP)
    between = transform(net.returns(net.add(Reshape(MAP), net.x, name="out")), PASS)
    assert not between.modified
    assert "are both names to keep" in between.declined[0]
    net = Network(*MAP)
    y = net.add(Relu(), net.x)
    assert not transform(net.returns(y, net.add(Reshape(MAP), y)), PASS).modified


def test_quantised_neutral_elements_stay():
    """The integer 0 of a quantised constant is a real number that need not be 0."""
    net = Network(1, 4)
    params = QuantParams.per_tensor(0.5, 3)
    quantised = TensorType(DType.I8, (1, 4), params)
    x = net.graph.add_input("q", quantised)
    zero = net.graph.constant(np.zeros((1, 4), np.int8), "zero", params)
    y = net.add(Add(), x, zero, quant=params)
    z = net.add(Requantize(), y, quant=params)
    outcome = transform(
        net.returns(net.add(Requantize(), z, quant=QuantParams.per_tensor(1.0))), PASS
    )
    assert outcome.ops == ["add", "requantize"]
