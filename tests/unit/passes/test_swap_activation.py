import pytest

from fpc.ir.ops import Conv2d, Gelu, HardSwish, Silu
from tests.unit.passes.case import Network, transform

PASS = "swap-activation"


def three(net):
    y = net.add(HardSwish(), net.x, name="first")
    y = net.add(Silu(), net.add(Conv2d(), y, net.weights(4, 4, 1, 1)), name="second")
    return net.returns(net.add(Gelu(), y, name="third"))


def test_golden(golden):
    outcome = transform(three(Network(1, 4, 6, 6)), f"{PASS}{{sites=[first]}}", same_function=False)
    assert outcome.text == golden


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ["relu6", "conv2d", "relu6", "relu6"]),
        ("{to=relu}", ["relu", "conv2d", "relu", "relu"]),
        ("{sites=[second, third]}", ["hard_swish", "conv2d", "relu6", "relu6"]),
        ("{sites=[elsewhere]}", ["hard_swish", "conv2d", "silu", "gelu"]),
    ],
)
def test_sites(options, expected):
    outcome = transform(three(Network(1, 4, 6, 6)), PASS + options, same_function=False)
    assert outcome.ops == expected
