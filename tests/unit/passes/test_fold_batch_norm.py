import numpy as np
import pytest

from fpc.ir.op import Activation
from fpc.ir.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Dense,
    GlobalAvgPool,
    MaxPool,
    Relu,
    Reshape,
    Sigmoid,
)
from tests.unit.passes.case import Network, transform

PASS = "fold-batch-norm"


def batch_norm(net, x, *, axis=1, name="bn", shift=True, scale=None):
    channels = x.type.shape[axis]
    zeros = net.constant(np.zeros(channels))
    return net.add(
        BatchNorm(epsilon=0.0, axis=axis),
        x,
        net.weights(channels) if scale is None else net.constant(np.full(channels, scale)),
        net.weights(channels) if shift else zeros,
        net.weights(channels) if shift else zeros,
        net.positive(channels),
        name=name,
    )


def test_golden(golden):
    """One after a convolution, one before a convolution, one that nothing takes."""
    net = Network(1, 4, 6, 6)
    y = net.add(Conv2d(pads=(1, 1, 1, 1)), net.x, net.weights(8, 4, 3, 3), name="conv1")
    y = batch_norm(net, y, name="bn1")
    y = net.add(Relu(), y)
    y = batch_norm(net, y, name="bn2")
    y = net.add(Conv2d(), y, net.weights(4, 8, 1, 1), net.weights(4), name="conv2")
    y = net.add(Add(), y, net.x)
    y = batch_norm(net, y, name="bn3")
    y = net.add(Sigmoid(), y)
    assert transform(net.returns(y), PASS).text == golden


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_after_convolution(groups, bias):
    net = Network(1, 4, 6, 6)
    op = Conv2d(pads=(1, 0, 1, 2), strides=(2, 1), groups=groups)
    operands = [net.weights(8, 4 // groups, 3, 3), net.weights(8) if bias else None]
    outcome = transform(net.returns(batch_norm(net, net.add(op, net.x, *operands))), PASS)
    assert outcome.ops == ["conv2d"]
    assert outcome.declined == []


@pytest.mark.parametrize("groups", [1, 2])
def test_after_transposed_convolution(groups):
    net = Network(1, 4, 6, 6)
    op = ConvTranspose2d(strides=(2, 2), pads=(1, 1, 1, 1), groups=groups)
    y = net.add(op, net.x, net.weights(6, 4 // groups, 4, 4), net.weights(6))
    assert transform(net.returns(batch_norm(net, y)), PASS).ops == ["conv_transpose2d"]


def test_after_dense():
    net = Network(3, 5)
    y = net.add(Dense(), net.x, net.weights(7, 5))
    assert transform(net.returns(batch_norm(net, y)), PASS).ops == ["dense"]


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_before_convolution(groups):
    net = Network(1, 4, 6, 6)
    y = batch_norm(net, net.x)
    y = net.add(Conv2d(groups=groups), y, net.weights(8, 4 // groups, 3, 3))
    assert transform(net.returns(y), PASS).ops == ["conv2d"]


def test_before_padded_convolution_only_without_shift():
    """Zero padding is zero before and after: a shift would have to apply to it as well."""
    for shift, expected in ((True, ["conv2d", "conv2d"]), (False, ["conv2d"])):
        net = Network(1, 4, 6, 6)
        y = batch_norm(net, net.x, shift=shift)
        y = net.add(Conv2d(pads=(1, 1, 1, 1)), y, net.weights(8, 4, 3, 3))
        outcome = transform(net.returns(y), PASS)
        assert outcome.ops == expected
        assert shift == any("pads with zeros" in reason for reason in outcome.declined)


def test_before_transposed_convolution_and_dense():
    net = Network(1, 4, 6, 6)
    y = batch_norm(net, net.x, shift=False)
    a = net.add(ConvTranspose2d(strides=(2, 2), groups=2), y, net.weights(6, 2, 2, 2))
    pooled = net.add(GlobalAvgPool(), y)
    b = net.add(Dense(), net.add(Reshape((1, 4)), pooled), net.weights(3, 4))
    outcome = transform(net.returns(a, b), PASS)
    assert "batch_norm" not in outcome.ops
    assert outcome.ops.count("mul") == 0
    assert len(outcome.after) == 4


def test_reaches_weights_through_pools_and_several_readers():
    net = Network(1, 4, 6, 6)
    y = batch_norm(net, net.x, scale=0.5)
    a = net.add(Conv2d(), net.add(MaxPool((2, 2), (2, 2)), y), net.weights(8, 4, 1, 1))
    b = net.add(Conv2d(), net.add(AvgPool((2, 2), (2, 2)), y), net.weights(8, 4, 1, 1))
    outcome = transform(net.returns(a, b), PASS)
    assert outcome.ops == ["max_pool", "conv2d", "avg_pool", "conv2d"]
    assert outcome.declined == []


def test_a_chain_folds_into_one():
    net = Network(1, 4, 6, 6)
    y = net.add(Conv2d(), net.x, net.weights(8, 4, 1, 1))
    for _ in range(3):
        y = batch_norm(net, y)
    assert transform(net.returns(y), PASS).ops == ["conv2d"]


def test_shared_weights_stay_as_they_are():
    net = Network(1, 4, 6, 6)
    shared = net.weights(4, 4, 1, 1)
    y = batch_norm(net, net.add(Conv2d(), net.x, shared))
    z = net.add(Conv2d(), net.x, shared, name="other")
    outcome = transform(net.returns(y, z), PASS)
    folded, other = outcome.after.nodes
    assert folded.input(1).constant.digest != shared.constant.digest
    assert other.input(1).constant.digest == shared.constant.digest


@pytest.mark.parametrize("reader", ["output", "node"])
def test_a_convolution_that_others_read_is_left_alone(reader):
    net = Network(1, 4, 6, 6)
    y = net.add(Conv2d(), net.x, net.weights(4, 4, 1, 1))
    other = y if reader == "output" else net.add(Sigmoid(), y)
    outcome = transform(net.returns(batch_norm(net, y), other), PASS)
    assert outcome.ops.count("conv2d") == 2
    (reason,) = outcome.declined
    assert "%conv2d is also read by" in reason
    assert reason.startswith("became a 1x1 depthwise convolution")


def test_a_clamp_between_lets_only_scales_through():
    for scale, shift, ops in ((2.0, False, 1), (-2.0, False, 2), (2.0, True, 2)):
        net = Network(1, 4, 6, 6)
        conv = Conv2d(activation=Activation.RELU)
        y = net.add(conv, net.x, net.weights(4, 4, 1, 1), net.weights(4))
        outcome = transform(net.returns(batch_norm(net, y, scale=scale, shift=shift)), PASS)
        assert len(outcome.after) == ops
        assert (ops == 1) == (not outcome.declined)


def test_other_ranks_become_mul_and_add():
    net = Network(2, 5, 7)
    outcome = transform(net.returns(batch_norm(net, net.x)), PASS)
    assert outcome.ops == ["mul", "add"]
    assert outcome.declined[0].startswith("became mul and add")


def test_unknown_or_infinite_parameters_are_declined():
    net = Network(1, 4, 6, 6)
    scale = net.input("scale", 4)
    four = [net.positive(4) for _ in range(3)]
    outcome = transform(net.returns(net.add(BatchNorm(), net.x, scale, *four)), PASS)
    assert not outcome.modified
    assert "not known" in outcome.declined[0]

    net = Network(1, 4, 6, 6)
    huge = net.constant(np.full(4, 3e38))
    tiny = net.constant(np.zeros(4))
    y = net.add(BatchNorm(epsilon=1e-12), net.x, huge, tiny, tiny, tiny)
    outcome = transform(net.returns(y), PASS, same_function=False)
    assert not outcome.modified
    assert "not finite" in outcome.declined[0]


def test_weights_computed_by_the_graph_are_declined():
    net = Network(1, 4, 6, 6)
    weights = net.input("weights", 4, 4, 1, 1)
    y = batch_norm(net, net.add(Conv2d(), net.x, weights))
    y = net.add(Concat(1), y, y)
    outcome = transform(net.returns(y), PASS)
    assert outcome.ops == ["conv2d", "conv2d", "concat"]
    assert "not float constants" in outcome.declined[0]


def test_locations_are_merged():
    net = Network(1, 4, 6, 6)
    y = net.add(Conv2d(), net.x, net.weights(4, 4, 1, 1), name="conv")
    (folded,) = transform(net.returns(batch_norm(net, y)), PASS).after.nodes
    assert set(folded.location.names) == {"conv", "bn"}
    assert folded.output.name == "bn"
