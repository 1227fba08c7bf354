import math

import numpy as np
import pytest

from fpc.ir.op import Activation
from fpc.ir.ops import (
    Add,
    Clip,
    Conv2d,
    Div,
    Function,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Maximum,
    Minimum,
    Mul,
    PRelu,
    Relu,
    Relu6,
    Sigmoid,
    Silu,
    Sub,
    Tanh,
    Unary,
)
from tests.unit.passes.case import Network, transform

PASS = "recover-activations"


class Algebra(Network):
    """A network written with operators."""

    def __init__(self, *shape):
        super().__init__(*(shape or (1, 4, 6, 6)))

    def mul(self, a, b, name=None):
        return self.add(Mul(), self.value(a), self.value(b), name=name)

    def plus(self, a, b):
        return self.add(Add(), self.value(a), self.value(b))

    def minus(self, a, b):
        return self.add(Sub(), self.value(a), self.value(b))

    def over(self, a, b):
        return self.add(Div(), self.value(a), self.value(b))

    def function(self, function, a):
        return self.add(Unary(function), a)

    def value(self, number):
        return self.constant(number, "k") if isinstance(number, float) else number

    def relu6_of_x_plus_3(self, x):
        return self.add(Clip(0.0, 6.0), self.plus(x, 3.0))


HARD_SWISH = {
    "sixth of the gate": lambda n, x: n.mul(x, n.over(n.relu6_of_x_plus_3(x), 6.0)),
    "gate first": lambda n, x: n.mul(n.over(n.relu6_of_x_plus_3(x), 6.0), x),
    "sixth of the product": lambda n, x: n.over(n.mul(x, n.relu6_of_x_plus_3(x)), 6.0),
    "times a sixth": lambda n, x: n.mul(n.mul(x, n.relu6_of_x_plus_3(x)), 1 / 6),
    "sixth of x": lambda n, x: n.mul(n.mul(x, 1 / 6), n.relu6_of_x_plus_3(x)),
    "relu6 op": lambda n, x: n.over(n.mul(x, n.add(Relu6(), n.plus(3.0, x))), 6.0),
    "hard_sigmoid": lambda n, x: n.mul(x, n.add(HardSigmoid(), x)),
    "clip to 1": lambda n, x: n.mul(x, n.add(Clip(0.0, 1.0), n.plus(n.mul(x, 1 / 6), 0.5))),
    "divided first": lambda n, x: n.mul(x, n.add(Clip(0.0, 1.0), n.over(n.plus(x, 3.0), 6.0))),
}
SILU = {
    "x first": lambda n, x: n.mul(x, n.add(Sigmoid(), x)),
    "gate first": lambda n, x: n.mul(n.add(Sigmoid(), x), x),
    "spelt out": lambda n, x: n.mul(
        x, n.over(1.0, n.plus(1.0, n.function(Function.EXP, n.function(Function.NEG, x))))
    ),
}
ROOT_HALF = math.sqrt(0.5)


def erf(n, x):
    return n.plus(n.function(Function.ERF, n.mul(x, ROOT_HALF)), 1.0)


def erf_divided(n, x):
    return n.plus(1.0, n.function(Function.ERF, n.over(x, math.sqrt(2.0))))


GELU = {
    "pytorch": lambda n, x: n.mul(n.mul(x, erf_divided(n, x)), 0.5),
    "half of x": lambda n, x: n.mul(n.mul(x, 0.5), erf(n, x)),
    "half of the gate": lambda n, x: n.mul(x, n.mul(0.5, erf(n, x))),
    "half first": lambda n, x: n.mul(0.5, n.mul(erf_divided(n, x), x)),
    "over 2": lambda n, x: n.over(n.mul(x, erf(n, x)), 2.0),
}
ROOT = math.sqrt(2 / math.pi)


def cube(n, x):
    return n.mul(n.mul(x, x), x)


def tanh_of_sum(n, x):
    inner = n.mul(n.plus(x, n.mul(cube(n, x), 0.044715)), ROOT)
    return n.plus(n.add(Tanh(), inner), 1.0)


def tanh_of_product(n, x):
    """Keras: x * sqrt(2 / pi) * (1 + 0.044715 x^2)."""
    square = n.mul(x, x)
    inner = n.mul(n.mul(x, ROOT), n.plus(1.0, n.mul(0.044715, square)))
    return n.plus(1.0, n.add(Tanh(), inner))


GELU_TANH = {
    "bert": lambda n, x: n.mul(n.mul(x, 0.5), tanh_of_sum(n, x)),
    "keras": lambda n, x: n.mul(n.mul(0.5, x), tanh_of_product(n, x)),
    "half last": lambda n, x: n.mul(n.mul(x, tanh_of_sum(n, x)), 0.5),
}
LEAKY = {
    "max": lambda n, x: n.add(Maximum(), x, n.mul(x, 0.25)),
    "max, scaled first": lambda n, x: n.add(Maximum(), n.mul(0.25, x), x),
    "two relus": lambda n, x: n.minus(
        n.add(Relu(), x), n.mul(n.add(Relu(), n.function(Function.NEG, x)), 0.25)
    ),
    "plus min": lambda n, x: n.plus(n.add(Relu(), x), n.mul(0.25, n.add(Clip(None, 0.0), x))),
    "magnitude": lambda n, x: n.plus(
        n.mul(n.mul(0.25, n.minus(x, n.function(Function.ABS, x))), 0.5), n.add(Relu(), x)
    ),
}
HARD_SIGMOID = {
    "relu6": lambda n, x: n.over(n.relu6_of_x_plus_3(x), 6.0),
    "relu6 times": lambda n, x: n.mul(n.relu6_of_x_plus_3(x), 1 / 6),
    "clip": lambda n, x: n.add(Clip(0.0, 1.0), n.plus(n.mul(1 / 6, x), 0.5)),
}
SIGMOID = {
    "neg": lambda n, x: n.over(1.0, n.plus(n.function(Function.EXP, n.mul(x, -1.0)), 1.0)),
}
FORMS = [
    pytest.param(op, form, id=f"{op.mnemonic}: {name}")
    for op, forms in (
        (HardSwish(), HARD_SWISH),
        (HardSigmoid(), HARD_SIGMOID),
        (Silu(), SILU),
        (Gelu(), GELU),
        (Gelu(approximate=True), GELU_TANH),
        (LeakyRelu(0.25), LEAKY),
        (Sigmoid(), SIGMOID),
    )
    for name, form in forms.items()
]


@pytest.mark.parametrize(("op", "form"), FORMS)
def test_forms(op, form):
    net = Algebra()
    outcome = transform(net.returns(form(net, net.x)), PASS)
    (node,) = outcome.after.nodes
    assert type(node.op) is type(op)
    if isinstance(op, HardSigmoid):
        assert node.op.alpha == pytest.approx(op.alpha)
        assert node.op.beta == pytest.approx(op.beta)
    else:
        assert node.op == op


@pytest.mark.parametrize(("op", "form"), FORMS)
def test_forms_of_a_product(op, form):
    """x may itself be a product, as after a squeeze-and-excitation gate."""
    net = Algebra()
    x = net.mul(net.x, net.input("gate", 1, 4, 1, 1))
    outcome = transform(net.returns(form(net, x)), PASS)
    assert outcome.ops == ["mul", op.mnemonic]


def test_golden(golden):
    net = Algebra()
    y = HARD_SWISH["sixth of the gate"](net, net.x)
    y = GELU["pytorch"](net, y)
    y = net.add(Conv2d(), y, net.weights(2, 4, 1, 1))
    assert transform(net.returns(y), PASS).text == golden


def test_a_factor_that_went_elsewhere_is_made_up_for():
    """onnxsim folds the 0.5 of GELU and the 1/6 of hard-swish into the convolution behind."""
    net = Algebra()
    y = net.mul(net.x, erf(net, net.x))
    z = net.mul(net.x, net.relu6_of_x_plus_3(net.x))
    outcome = transform(net.returns(y, z), PASS)
    assert outcome.ops == ["gelu", "mul", "hard_swish", "mul"]
    factors = [node.input(1).data.item() for node in outcome.after if node.op == Mul()]
    assert factors == [2.0, 6.0]


def test_slopes_by_channel_become_prelu():
    net = Algebra()
    slope = net.weights(4, 1, 1)
    negative = net.add(Relu(), net.function(Function.NEG, net.x))
    y = net.minus(net.add(Relu(), net.x), net.mul(slope, negative))
    outcome = transform(net.returns(y), PASS)
    (node,) = outcome.after.nodes
    assert node.op == PRelu()
    np.testing.assert_array_equal(node.input(1).data, slope.data)


NOT_QUITE = {
    "other offset": lambda n, x: n.mul(x, n.over(n.add(Relu6(), n.plus(x, 2.0)), 6.0)),
    "other bound": lambda n, x: n.mul(x, n.add(Clip(0.0, 5.0), n.plus(x, 3.0))),
    "open bound": lambda n, x: n.mul(x, n.add(Relu(), n.plus(x, 3.0))),
    "gate of another": lambda n, x: n.mul(n.input("other", 1, 4, 6, 6), n.relu6_of_x_plus_3(x)),
    "quick gelu": lambda n, x: n.mul(x, n.add(Sigmoid(), n.mul(x, 1.702))),
    "sigmoid of another": lambda n, x: n.mul(n.input("other", 1, 4, 6, 6), n.add(Sigmoid(), x)),
    "erf of 2 x": lambda n, x: n.mul(x, n.plus(n.function(Function.ERF, n.mul(x, 2.0)), 1.0)),
    "tanh alone": lambda n, x: n.mul(x, n.plus(n.add(Tanh(), x), 1.0)),
    "tanh plus 2": lambda n, x: n.mul(x, n.plus(n.add(Tanh(), x), 2.0)),
    "exp": lambda n, x: n.mul(x, n.plus(n.function(Function.EXP, x), 1.0)),
    "steep max": lambda n, x: n.add(Maximum(), x, n.mul(x, 2.0)),
    "max with offset": lambda n, x: n.add(Maximum(), x, n.plus(x, 2.0)),
    "min": lambda n, x: n.add(Minimum(), x, n.mul(x, 0.5)),
    "two relus of two": lambda n, x: n.plus(n.add(Relu(), x), n.input("other", 1, 4, 6, 6)),
    "relu subtracted": lambda n, x: n.minus(n.add(Clip(None, 0.0), x), n.add(Relu(), x)),
    "minus itself": lambda n, x: n.plus(n.add(Relu(), x), n.minus(x, n.mul(x, 2.0))),
    "reciprocal": lambda n, x: n.over(1.0, n.plus(n.function(Function.ABS, x), 1.0)),
    "inverse of a sum": lambda n, x: n.over(1.0, n.mul(x, x)),
    "clamped sum": lambda n, x: n.add(
        Add(Activation.RELU), n.add(Relu(), x), n.mul(0.25, n.add(Clip(None, 0.0), x))
    ),
    "clamped exponential": lambda n, x: n.mul(
        x,
        n.over(
            1.0,
            n.add(Add(Activation.RELU6), n.function(Function.EXP, n.mul(x, -1.0)), n.constant(1.0)),
        ),
    ),
    "by channel": lambda n, x: n.mul(n.mul(x, n.weights(4, 1, 1)), n.relu6_of_x_plus_3(x)),
    "fused clamp": lambda n, x: n.mul(
        x, n.add(Clip(0.0, 6.0), n.add(Add(Activation.RELU), x, n.constant(3.0)))
    ),
}


@pytest.mark.parametrize("form", NOT_QUITE.values(), ids=NOT_QUITE.keys())
def test_what_only_looks_alike_stays(form):
    net = Algebra()
    outcome = transform(net.returns(form(net, net.x)), PASS)
    kinds = {HardSwish, Silu, Gelu, LeakyRelu, PRelu}
    assert not any(type(node.op) in kinds for node in outcome.after)


def test_a_scaled_clamp_without_offset_is_no_hard_sigmoid():
    net = Algebra()
    assert not transform(net.returns(net.over(net.add(Relu6(), net.x), 6.0)), PASS).modified


def test_a_hard_sigmoid_with_another_slope():
    net = Algebra()
    y = net.add(Clip(0.0, 1.0), net.plus(net.mul(net.x, 0.2), 0.5))
    (node,) = transform(net.returns(y), PASS).after.nodes
    assert node.op.alpha == pytest.approx(0.2)


def test_inner_values_that_are_read_stay():
    net = Algebra()
    gate = net.relu6_of_x_plus_3(net.x)
    outcome = transform(net.returns(net.over(net.mul(net.x, gate), 6.0), gate), PASS)
    assert outcome.ops == ["add", "clip", "hard_swish"]
