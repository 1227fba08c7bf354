"""Weights and biases as integers: by hand, and at the limits of the accumulator."""

import numpy as np
import pytest

from fpc.ir.dtype import DType
from fpc.ir.types import QuantParams
from fpc.quant.analysis.accumulators import Span, greatest_sums_of_parts
from fpc.quant.planning.weights import (
    guarded_weight_params,
    quantise_activation,
    quantise_bias,
    quantise_weight,
    weight_params,
)
from fpc.quant.scheme import TFLITE_INT8, TFLITE_INT16, TVM_INT16

X = QuantParams.per_tensor(0.02, -128)
Y = QuantParams.per_tensor(0.05, -128)


def test_scales_are_the_greatest_magnitude_of_a_channel_over_127():
    weight = np.array([[1.27, -0.5], [0.2, -0.254]], np.float32)
    assert weight_params(weight, TFLITE_INT8).scales == pytest.approx((0.01, 0.002))
    assert weight_params(weight, TFLITE_INT8, per_axis=False).scale == pytest.approx(0.01)


def test_rounding_is_to_nearest_even_within_127():
    weight = np.array([[1.0, 0.5, 2.5, -1.5, -300.0]], np.float32)
    params = QuantParams.per_axis((1.0,), 0)
    assert quantise_weight(weight, params, TFLITE_INT8).tolist() == [[1, 0, 2, -2, -127]]


def test_a_channel_of_zeros_takes_a_scale_of_its_neighbours():
    weight = np.array([[0.0, 0.0], [2.54, 0.0], [1.27, 0.0]], np.float32)
    assert weight_params(weight, TFLITE_INT8).scales == pytest.approx((0.02, 0.02, 0.01))
    zeros = weight_params(np.zeros((2, 3, 1, 1), np.float32), TFLITE_INT8)
    assert all(1e-6 < scale < 1.0 for scale in zeros.scales)


def test_a_bias_is_in_units_of_both_scales():
    weight = QuantParams.per_axis((0.5, 0.25), 0)
    integers, params = quantise_bias(np.array([1.0, -1.0]), X, weight, DType.I32)
    assert integers.tolist() == [100, -200]
    assert params.axis == 0
    assert params.scales == pytest.approx((0.01, 0.005))


def test_a_bias_that_would_not_fit_raises_its_channel_only():
    weight = np.array([[1e-7, 1e-7], [0.5, 0.5]], np.float32)
    bias = np.array([50.0, 50.0], np.float32)
    plain = weight_params(weight, TFLITE_INT8)
    assert abs(50.0 / (X.scale * plain.scales[0])) > 2**31
    scales = guarded_weight_params(weight, bias, X, Y, TFLITE_INT8)
    assert scales.coarser == ()
    assert scales.params.scales[1] == plain.scales[1]
    integers, params = quantise_bias(bias, X, scales.params, DType.I32)
    assert np.abs(integers.astype(np.int64)).max() <= 2**30 + 64
    np.testing.assert_allclose(integers * np.array(params.scales), bias, rtol=1e-6)


def test_no_operand_overflows_the_accumulator():
    rng = np.random.default_rng(0)
    weight = np.sign(rng.normal(size=(2, 90_000))).astype(np.float32)
    bias = np.array([1.0, -4e5], np.float32)
    scales = guarded_weight_params(weight, bias, X, Y, TFLITE_INT8)
    assert scales.coarser == (0, 1)
    integers = quantise_weight(weight, scales.params, TFLITE_INT8).astype(np.int64)
    offset, _ = quantise_bias(bias, X, scales.params, DType.I32)
    worst = np.abs(integers).sum(axis=1) * 255 + np.abs(offset.astype(np.int64))
    assert (worst < 2**31).all()


def test_a_dead_channel_keeps_a_multiplier_that_kernels_can_express():
    weight = np.array([[1e-30], [1.0]], np.float32)
    scales = guarded_weight_params(weight, None, X, Y, TFLITE_INT8)
    multiplier = X.scale * scales.params.scales[0] / Y.scale
    assert multiplier == pytest.approx(2.0**-24)
    assert not quantise_weight(weight, scales.params, TFLITE_INT8)[0].any()


def test_int64_biases_need_no_guard():
    weight = np.full((1, 2), 1e-3, np.float32)
    x = QuantParams.per_tensor(1e-4, 0)
    bias = np.array([1e4], np.float32)
    scales = guarded_weight_params(weight, bias, x, x, TFLITE_INT16)
    assert scales.coarser == ()
    integers, params = quantise_bias(bias, x, scales.params, DType.I64)
    assert integers.dtype == np.int64
    assert integers[0] > 2**31
    assert integers[0] * params.scales[0] == pytest.approx(1e4, rel=1e-6)


def test_per_tensor_weights_take_the_greatest_scale_anyone_needs():
    weight = np.array([[1e-7], [0.5]], np.float32)
    bias = np.array([0.0, 5e5], np.float32)
    scales = guarded_weight_params(weight, bias, X, Y, TFLITE_INT8, per_axis=False)
    assert scales.params.axis is None
    assert 5e5 / (X.scale * scales.params.scale) <= 2**30 * 1.000001


def test_constants_of_elementwise_ops_saturate():
    params = QuantParams.per_tensor(0.1, 10)
    integers = quantise_activation(np.array([-99.0, 0.0, 0.26, 99.0]), params, DType.I8)
    assert integers.tolist() == [-128, 10, 13, 127]


@pytest.mark.parametrize("span", [Span(-32768, 32767), Span(0, 32767)])
def test_wide_weights_have_the_bits_that_sums_leave(span):
    """Parts of 128 products: of a signed operand, weights of mean 512; of a positive one, 1024."""
    rng = np.random.default_rng(0)
    weight = rng.uniform(-1, 1, (4, 384)).astype(np.float32)
    x = QuantParams.per_tensor(1e-4)
    params = guarded_weight_params(weight, None, x, x, TVM_INT16, span=span).params
    integers = quantise_weight(weight, params, TVM_INT16)
    assert integers.dtype == np.int16
    sums = greatest_sums_of_parts(integers[:, :, None], span, 128)
    assert (sums < 2**31).all()
    assert (sums > 0.98 * 2**31).all()
    wanted = 512 if span.low else 1024
    assert np.abs(integers).mean(axis=1) == pytest.approx(wanted, rel=0.2)


def test_few_wide_weights_have_all_of_their_bits():
    weight = np.array([[[[0.5, -0.25, 0.125]]], [[[0.1, 0.1, -0.2]]]], np.float32)
    x = QuantParams.per_tensor(1e-4)
    params = guarded_weight_params(weight, None, x, x, TVM_INT16, span=Span(0, 32767)).params
    assert quantise_weight(weight, params, TVM_INT16)[0, 0, 0].tolist() == [32767, -16384, 8192]
