"""The power-of-two scheme: exponents by hand, and what a whole network looks like under it."""

from math import frexp, log2

import numpy as np
import pytest

from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.types import QuantParams
from fpc.quant.ladder import climb
from fpc.quant.planning.power_of_two import LARGEST_SHIFT, POWER_OF_TWO_INT8, weight_scale
from fpc.quant.planning.weights import guarded_weight_params, quantise_bias, weight_params
from fpc.quant.scheme import TFLITE_INT8, next_power_of_two
from tests.unit.quant.networks import RUNNERS, Builder, samples_of


@pytest.mark.parametrize(
    ("number", "power"), [(1.0, 1.0), (1.01, 2.0), (0.9, 1.0), (0.25, 0.25), (0.26, 0.5)]
)
def test_the_next_power_of_two(number, power):
    assert next_power_of_two(number) == power


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [(-1.0, 0.99, 2.0**-6), (0.0, 0.99, 2.0**-7), (0.0, 6.0, 2.0**-4), (-130.0, 5.0, 2.0)],
)
def test_activations_span_their_range_around_zero(low, high, scale):
    params = POWER_OF_TWO_INT8.activation_params(low, high)
    assert params == QuantParams.per_tensor(scale, 0)
    assert max(-low, high) / params.scale <= 127


def test_even_weights_are_spanned_and_a_lone_giant_is_clipped():
    rng = np.random.default_rng(0)
    even = rng.uniform(-0.9, 0.9, (8, 64)).astype(np.float32)
    assert weight_params(even, POWER_OF_TWO_INT8, per_axis=False).scale == 2.0**-7
    lone = rng.normal(0.0, 0.1, (64, 1024)).astype(np.float32)
    lone[0, 0] = 1.1
    assert weight_params(lone, POWER_OF_TWO_INT8, per_axis=False).scale == 2.0**-7
    assert weight_params(lone, TFLITE_INT8, per_axis=False).scale == pytest.approx(1.1 / 127)


def test_the_scale_of_weights_has_the_least_error_of_its_candidates():
    rng = np.random.default_rng(1)
    weight = rng.standard_t(3, (16, 100)).astype(np.float32)

    def error(scale):
        steps = np.clip(np.rint(weight / scale), -127, 127)
        return float(((weight - steps * scale) ** 2).sum(dtype=np.float64))

    spanning = float(np.abs(weight).max()) / 127
    greatest = next_power_of_two(spanning)
    chosen = weight_scale(weight, spanning, 127)
    assert error(chosen) == min(error(greatest / 2**k) for k in range(3))


def test_sums_are_shifted_by_at_most_16_places():
    tiny = np.full((4, 9), 1e-7, np.float32)
    x, y = QuantParams.per_tensor(2.0**-7), QuantParams.per_tensor(2.0**-3)
    found = guarded_weight_params(tiny, None, x, y, POWER_OF_TWO_INT8, per_axis=False)
    assert log2(y.scale / x.scale / found.params.scale) == LARGEST_SHIFT


def test_biases_have_eight_bits_and_a_shift():
    bias = np.array([1.0, -0.3, 0.001], np.float32)
    x, w = QuantParams.per_tensor(2.0**-5), QuantParams.per_tensor(2.0**-8)
    data, params = quantise_bias(bias, x, w, DType.I32, 8)
    assert params == QuantParams.per_tensor(2.0**-13)
    assert data.tolist() == [64 * 128, -19 * 128, 0]
    small, _ = quantise_bias(bias / 128, x, w, DType.I32, 8)
    assert small.tolist() == [64, -19, 0]


def shift(node):
    x, w = node.input(0).type.quantisation, node.input(1).type.quantisation
    return log2(node.output.type.quantisation.scale / x.scale / w.scale)


@pytest.mark.parametrize("recipe", ["min-max", "mse+equalise+round"])
def test_a_network_is_all_powers_of_two_around_zero(recipe):
    net = Builder().conv(8).then(ops.Relu())
    net.depthwise(gains=np.geomspace(0.02, 4.0, 8)).then(ops.Relu())
    graph = net.conv(6, kernel=1).done()
    outcome = climb(graph, samples_of(graph), POWER_OF_TWO_INT8, RUNNERS, recipe=recipe)
    quants = [value.type.quant for value in outcome.graph.values() if value.type.is_quantised]
    assert len(quants) > 8
    for quant in quants:
        assert quant.axis is None
        assert quant.zero_point == 0
        assert frexp(quant.scale)[0] == 0.5
    layers = [node for node in outcome.graph if isinstance(node.op, ops.Conv2d)]
    assert len(layers) == 3
    assert all(0 <= shift(node) <= LARGEST_SHIFT for node in layers)
