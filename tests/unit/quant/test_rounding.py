"""Optimised rounding against rounding to nearest, brute force and explicit patches."""

import itertools

import numpy as np
import pytest

from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.types import QuantParams, f32
from fpc.quant.refinement import rounding
from fpc.quant.refinement.rounding import (
    Rounding,
    can_round,
    round_jointly,
    round_weights,
    second_moments,
)
from fpc.quant.scheme import TFLITE_INT8


def correlated(samples, features, seed=0):
    """Patches [1, features, samples]."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(features, features)) * 0.3 + 1.0
    return (rng.normal(size=(1, samples, features)) @ mixing).astype(np.float32).swapaxes(1, 2)


def response_error(steps, integers, patches):
    centred = patches - patches.mean(axis=2, keepdims=True)
    return np.square((steps - integers) @ centred).sum(axis=(0, 2))


def test_responses_are_kept_better_than_by_rounding_to_nearest():
    patches = correlated(2000, 30)
    steps = np.random.default_rng(1).normal(size=(1, 12, 30)) * 20
    found = round_jointly(steps, second_moments(patches), 127, 0.01)
    nearest = np.rint(steps)
    assert (
        response_error(steps, found, patches).sum()
        < 0.3 * response_error(steps, nearest, patches).sum()
    )
    assert np.abs(found - steps).max() < 30


def test_close_to_the_best_of_all_roundings():
    patches = correlated(500, 4)
    steps = np.random.default_rng(2).uniform(-9, 9, size=(1, 6, 4))
    found = response_error(steps, round_jointly(steps, second_moments(patches), 127, 1e-6), patches)
    offsets = np.array(list(itertools.product((-1, 0, 1, 2), repeat=4)))
    candidates = np.floor(steps)[0][:, None] + offsets
    nearest = response_error(steps, np.rint(steps), patches)
    for row in range(6):
        errors = [
            response_error(steps[:, row : row + 1], c[None, None], patches)[0]
            for c in candidates[row]
        ]
        assert min(errors) - 1e-6 <= found[row]
    assert found.sum() < nearest.sum()


def test_independent_inputs_round_to_nearest():
    steps = np.random.default_rng(3).normal(size=(2, 5, 9)) * 25
    moments = np.stack([np.diag(np.arange(1.0, 10.0))] * 2)
    np.testing.assert_array_equal(round_jointly(steps, moments, 127, 0.01), np.rint(steps))


def test_integers_stay_within_the_limit():
    steps = np.full((1, 2, 8), 130.0)
    found = round_jointly(steps, second_moments(correlated(100, 8)), 127, 0.01)
    assert found.max() <= 127
    assert found.min() >= -127


def test_inputs_that_never_vary_are_harmless():
    patches = np.zeros((1, 6, 50), np.float32)
    steps = np.random.default_rng(4).normal(size=(1, 3, 6)) * 30
    np.testing.assert_array_equal(
        round_jointly(steps, second_moments(patches), 127, 0.01), np.rint(steps)
    )


@pytest.mark.parametrize("size", [1, 63, 64, 65, 200])
def test_the_root_of_the_inverse(size):
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(2, size, 3 * size)).astype(np.float32)
    matrices = factors @ factors.swapaxes(1, 2) / np.float32(3 * size)
    root = rounding._inverse_root(matrices)
    np.testing.assert_array_equal(root, np.tril(root))
    whole = root.astype(np.float64) @ matrices @ root.astype(np.float64).swapaxes(1, 2)
    np.testing.assert_allclose(whole, np.stack([np.eye(size)] * 2), atol=2e-5)


def test_moments_that_rounding_left_indefinite_are_damped_until_they_serve():
    """Features that always go together, summed in float32 about a far origin."""
    rng = np.random.default_rng(4)
    patches = np.repeat(rng.normal(size=(1, 1, 500)), 64, axis=1)
    noise = rng.normal(size=(64, 64)) * 0.01
    moments = second_moments(patches) + noise + noise.T
    assert np.linalg.eigvalsh(moments[0]).min() < -0.1
    steps = rng.normal(size=(1, 6, 64)) * 20
    found = round_jointly(steps, moments, 127, 0.01)
    assert np.abs(found - steps).max() < 30
    nearest = response_error(steps, np.rint(steps), patches).sum()
    assert response_error(steps, found, patches).sum() < 0.3 * nearest


def test_second_moments_are_covariances_whatever_the_origin():
    patches = np.random.default_rng(0).integers(-128, 128, (3, 9, 501)).astype(np.int8)
    for origin in (0, -128, 77):
        found = second_moments(patches, origin)
        for group, rows in zip(found, patches, strict=True):
            wanted = np.cov(rows.astype(np.float64), bias=True)
            np.testing.assert_allclose(group, wanted, atol=2e-2)


LAYERS = {
    "conv": (ops.Conv2d(strides=(2, 1), pads=(1, 1, 0, 2), dilations=(1, 2)), (5, 4, 3, 3)),
    "grouped": (ops.Conv2d(groups=2, pads=(1, 1, 1, 1)), (6, 2, 3, 3)),
    "depthwise": (ops.Conv2d(groups=4, pads=(1, 1, 1, 1)), (8, 1, 3, 3)),
    "pointwise": (ops.Conv2d(), (60, 4, 1, 1)),
}


def layer(case):
    op, shape = LAYERS[case]
    graph = Graph()
    x = graph.add_input("x", f32(1, 4, 9, 10))
    w = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    node = graph.add(op, x, graph.constant(w))
    graph.set_outputs([node.output])
    return graph, node


@pytest.mark.parametrize("case", LAYERS)
def test_patches_are_what_the_filters_see(case):
    """A filter applied to a patch must be one of the pixels of the layer's response."""
    from fpc.interp.executor import run

    graph, node = layer(case)
    inputs = np.random.default_rng(1).integers(-128, 128, (3, 4, 9, 10)).astype(np.int8)
    found = rounding._patches(node, np.split(inputs, 3), -7, 40, np.random.default_rng(2))
    (response,) = run(graph, [inputs.astype(np.float32) + 7])
    groups = node.op.groups
    weight = node.input(1).data.reshape(groups, len(node.input(1).data) // groups, -1)
    given = np.einsum("gof,gfn->ngo", weight, found + 7.0).reshape(found.shape[2], -1)
    pixels = response.transpose(0, 2, 3, 1).reshape(-1, response.shape[1])
    for row in given:
        assert np.abs(pixels - row).max(axis=1).min() < 1e-2


@pytest.mark.parametrize("case", LAYERS)
def test_layers_of_every_form_lose_less_than_with_nearest_weights(case):
    from fpc.interp.executor import run

    graph, node = layer(case)
    rng = np.random.default_rng(5)
    smooth = np.cumsum(rng.normal(size=(6, 4, 9, 10)), axis=3) * 10
    smooth += 3.0 * smooth[:, :1]
    inputs = np.clip(np.rint(smooth), -128, 127).astype(np.int8)
    weight = node.input(1).data
    params = QuantParams.per_axis(tuple(np.abs(weight.reshape(len(weight), -1)).max(1) / 7), 0)
    found = round_weights(node, np.split(inputs, 3), 0, params, TFLITE_INT8, Rounding(fewest=256))
    scales = np.array(params.scales).reshape(-1, 1, 1, 1)

    def error(integers):
        copy = graph.clone()
        changed = ((integers * scales) - weight).astype(np.float32)
        copy.set_input(copy.nodes[0], 1, copy.constant(changed))
        (response,) = run(copy, [inputs.astype(np.float32)])
        return np.square(response - response.mean(axis=(0, 2, 3), keepdims=True)).sum()

    assert error(found) < 0.9 * error(np.rint(weight / scales))


def test_wide_layers_are_rounded_in_parts(monkeypatch):
    monkeypatch.setattr(rounding, "_LARGEST_HESSIAN", 10)
    graph = Graph()
    node = graph.add(
        ops.Dense(),
        graph.add_input("x", f32(1, 25)),
        graph.constant(np.random.default_rng(0).normal(size=(3, 25)).astype(np.float32)),
    )
    inputs = np.random.default_rng(1).integers(-128, 128, (60, 25)).astype(np.int8)
    params = QuantParams.per_axis((0.05, 0.05, 0.05), 0)
    found = round_weights(node, np.split(inputs, 6), 3, params, TFLITE_INT8, Rounding())
    assert found.shape == (3, 25)
    assert np.abs(found - node.input(1).data / 0.05).max() < 3


def test_the_same_inputs_give_the_same_integers():
    _, node = layer("conv")
    inputs = np.random.default_rng(1).integers(-128, 128, (3, 4, 9, 10)).astype(np.int8)
    params = QuantParams.per_axis((0.02,) * 5, 0)
    once, twice = (
        round_weights(node, np.split(inputs, 3), 0, params, TFLITE_INT8, Rounding(fewest=64))
        for _ in range(2)
    )
    np.testing.assert_array_equal(once, twice)


def test_shared_weights_and_transposed_convolutions_are_not_rounded():
    graph = Graph()
    x = graph.add_input("x", f32(1, 4, 5, 5))
    w = graph.constant(np.ones((4, 4, 1, 1), np.float32))
    first = graph.add(ops.Conv2d(), x, w)
    assert can_round(first)
    second = graph.add(ops.Conv2d(), first.output, w)
    assert not can_round(second)
    transposed = graph.add(
        ops.ConvTranspose2d(), x, graph.constant(np.ones((2, 4, 2, 2), np.float32))
    )
    assert not can_round(transposed)
