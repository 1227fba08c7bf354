import numpy as np
import pytest

from fpc.diagnostics.errors import PassError
from fpc.ir.op import Activation, Layout
from fpc.ir.ops import (
    Add,
    AvgPool,
    Clip,
    Conv2d,
    Div,
    Function,
    LeakyRelu,
    MatMul,
    Maximum,
    Minimum,
    Mul,
    PRelu,
    ReduceMean,
    Relu,
    Relu6,
    Sub,
    Unary,
)
from tests.unit.passes.case import Network, transform

PASS = "canonicalise"


def test_golden(golden):
    """One of each rule in a row."""
    net = Network(1, 4, 6, 6)
    y = net.add(Mul(), net.constant(0.5), net.x, name="constant_first")
    y = net.add(Sub(), y, net.weights(4, 1, 1), name="sub")
    y = net.add(Div(Activation.RELU), y, net.positive(4, 1, 1), name="div")
    y = net.add(Unary(Function.NEG), y, name="neg")
    y = net.add(Minimum(), net.add(Maximum(), y, net.constant(-4)), net.constant(8.0), name="low")
    y = net.add(PRelu(), y, net.constant([[[0.25]]] * 4), name="prelu")
    y = net.add(ReduceMean((2, 3), keep_dims=False), y, name="mean")
    y = net.add(MatMul(), y, net.weights(4, 3), name="matmul")
    assert transform(net.returns(y), PASS).text == golden


CLAMPS = [
    (Clip(0.0, 6.0), ["relu6"]),
    (Clip(0.0, None), ["relu"]),
    (Clip(-1.0, 1.0), ["clip"]),
    (Clip(None, None), ["clip"]),
    (Clip(5.0, 1.0), ["clip"]),
    (Relu(), ["relu"]),
]


@pytest.mark.parametrize(("op", "expected"), CLAMPS)
def test_clamps(op, expected):
    net = Network(1, 4)
    assert transform(net.returns(net.add(op, net.x)), PASS).ops == expected


IN_A_ROW = [
    (Relu(), Clip(None, 6.0), Relu6()),
    (Clip(None, 6.0), Relu(), Relu6()),
    (Relu(), Relu(), Relu()),
    (Clip(-1.0, 1.0), Clip(0.0, 3.0), Clip(0.0, 1.0)),
    (Clip(2.0, 3.0), Clip(0.0, 1.0), Clip(1.0, 1.0)),
    (Relu6(), Clip(8.0, 9.0), Clip(8.0, 8.0)),
    (Clip(3.0, 1.0), Relu(), Clip(1.0, 1.0)),
]


@pytest.mark.parametrize(("first", "second", "expected"), IN_A_ROW)
def test_clamps_in_a_row(first, second, expected):
    net = Network(1, 64)
    outcome = transform(net.returns(net.add(second, net.add(first, net.x))), PASS)
    assert [node.op for node in outcome.after] == [expected]


def test_a_clamp_that_others_read_is_not_absorbed():
    net = Network(1, 64)
    inner = net.add(Relu(), net.x)
    outcome = transform(net.returns(net.add(Clip(None, 1.0), inner), inner), PASS)
    assert outcome.ops == ["relu", "clip"]
    assert not outcome.modified


@pytest.mark.parametrize("op", [Maximum(), Minimum()])
def test_extrema_of_vectors_stay(op):
    net = Network(2, 4)
    outcome = transform(net.returns(net.add(op, net.weights(4), net.x)), PASS)
    (node,) = outcome.after.nodes
    assert node.op == op
    assert node.input(1).is_constant


def test_an_extremum_that_broadcasts_is_no_clamp():
    net = Network(1, 4)
    y = net.add(Maximum(), net.x, net.constant(np.zeros((3, 4))))
    assert transform(net.returns(y), PASS).ops == ["maximum"]


def test_division_by_numbers_without_inverse():
    net = Network(1, 4)
    y = net.add(Div(), net.x, net.constant([1.0, 0.0, 2.0, 1e-40]))
    outcome = transform(net.returns(y), PASS, same_function=False)
    assert not outcome.modified
    assert "no finite inverse" in outcome.declined[0]


def test_two_activations_are_left_alone():
    net = Network(2, 4)
    other = net.input("other", 2, 4)
    values = [net.add(op, net.x, other) for op in (Add(), Sub(), Mul(), Div(), Maximum())]
    values.append(net.add(PRelu(), net.x, net.weights(4)))
    values.append(net.add(MatMul(), net.x, net.input("matrix", 4, 3)))
    values.append(net.add(Unary(Function.ABS), net.x))
    assert not transform(net.returns(*values), PASS, same_function=False).modified


def test_slopes():
    net = Network(2, 4)
    flat = net.add(LeakyRelu(0.0), net.x)
    leaky = net.add(PRelu(), net.x, net.constant(np.full(4, 0.25)))
    outcome = transform(net.returns(flat, leaky), PASS)
    assert [node.op for node in outcome.after] == [Relu(), LeakyRelu(0.25)]


MEANS = [
    ((2, 3), True, ["global_avg_pool"]),
    ((2, 3), False, ["global_avg_pool", "reshape"]),
    ((1,), True, ["reduce_mean"]),
    ((1, 2, 3), True, ["reduce_mean"]),
    ((0,), False, ["reshape"]),
]


@pytest.mark.parametrize(("axes", "keep", "expected"), MEANS)
def test_means(axes, keep, expected):
    net = Network(1, 4, 5, 6)
    outcome = transform(net.returns(net.add(ReduceMean(axes, keep), net.x)), PASS)
    assert outcome.ops == expected


@pytest.mark.parametrize("keep", [True, False])
def test_mean_of_mean(keep):
    """Old torchvision networks end with x.mean(3).mean(2)."""
    net = Network(1, 4, 5, 6)
    y = net.add(ReduceMean((2,), keep), net.add(ReduceMean((3,), keep), net.x))
    assert "reduce_mean" not in transform(net.returns(y), PASS).ops


def test_mean_of_mean_of_mixed_kinds_or_shared_stays():
    net = Network(1, 4, 5, 6)
    inner = net.add(ReduceMean((1,), True), net.x)
    mixed = net.add(ReduceMean((3,), False), inner)
    assert not transform(net.returns(mixed), PASS).modified
    assert not transform(net.returns(net.add(ReduceMean((3,), True), inner), inner), PASS).modified


POOLS = [
    (AvgPool((5, 6)), ["global_avg_pool"]),
    (AvgPool((7, 8), pads=(1, 1, 1, 1)), ["global_avg_pool"]),
    (AvgPool((7, 8), (7, 8), (1, 1, 1, 1), count_include_pad=True), ["avg_pool"]),
    (AvgPool((3, 3), (3, 6)), ["avg_pool"]),
]


@pytest.mark.parametrize(("op", "expected"), POOLS)
def test_average_pools(op, expected):
    net = Network(1, 4, 5, 6)
    outcome = transform(net.returns(net.add(op, net.x)), PASS)
    assert outcome.ops == expected
    assert bool(outcome.declined) == op.count_include_pad


def test_products_with_matrices():
    net = Network(2, 3, 4)
    dense = net.add(MatMul(), net.x, net.weights(4, 5))
    batched = net.add(MatMul(), net.x, net.weights(2, 4, 5))
    constant_first = net.add(MatMul(), net.weights(5, 3), net.x)
    outcome = transform(net.returns(dense, batched, constant_first), PASS)
    assert outcome.ops == ["dense", "matmul", "matmul"]


def test_shared_constants_are_replaced_not_changed():
    net = Network(2, 4)
    shared = net.weights(4)
    y = net.add(Sub(), net.x, shared)
    z = net.add(Add(), y, shared)
    outcome = transform(net.returns(z), PASS)
    first, second = outcome.after.nodes
    np.testing.assert_array_equal(first.input(1).data, -shared.data)
    np.testing.assert_array_equal(second.input(1).data, shared.data)


def test_nhwc_is_refused():
    net = Network(1, 4, 5, 6)
    conv = Conv2d(layout=Layout.NHWC)
    graph = net.returns(net.add(conv, net.x, net.weights(2, 1, 1, 6)))
    with pytest.raises(PassError, match="requires a graph that is nchw"):
        transform(graph, PASS)
