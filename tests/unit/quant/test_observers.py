"""Ranges chosen for known distributions, against quantiles and published optimal clipping."""

import numpy as np
import pytest

from fpc.quant.calibration.distribution import Distribution, Histogram
from fpc.quant.calibration.observers import Entropy, MeanSquaredError, MinMax, Percentile
from fpc.quant.scheme import TFLITE_INT8, TFLITE_INT16

OBSERVERS = (MinMax(), Percentile(99.99), MeanSquaredError(), Entropy())


def distribution_of(data, response=None):
    histogram = Histogram.of(data)
    return Distribution(float(data.min()), float(data.max()), lambda: histogram, response)


def normal(count=1_000_000, seed=0):
    return np.random.default_rng(seed).normal(size=count)


def test_percentile_is_the_quantile():
    data = normal()
    low, high = Percentile(99.0).range(distribution_of(data), TFLITE_INT8)
    assert low == pytest.approx(np.quantile(data, 0.005), abs=0.01)
    assert high == pytest.approx(np.quantile(data, 0.995), abs=0.01)


def test_percentile_of_a_relu_keeps_zero_exact():
    low, high = Percentile(99.0).range(distribution_of(np.maximum(normal(), 0.0)), TFLITE_INT8)
    assert low == pytest.approx(0.0, abs=0.01)
    assert high == pytest.approx(2.576, abs=0.02)


def test_mse_finds_the_optimal_clipping_of_a_gaussian():
    """Banner, Nahshan and Soudry 2019 (ACIQ), table of alpha / sigma: 3.92 at 8 bits."""
    low, high = MeanSquaredError().range(distribution_of(normal()), TFLITE_INT8)
    assert -low == pytest.approx(3.92, abs=0.25)
    assert high == pytest.approx(3.92, abs=0.25)


def test_mse_finds_the_optimal_clipping_of_a_laplacian():
    """The same table, alpha / b: 9.89 at 8 bits."""
    data = np.random.default_rng(1).laplace(size=2_000_000)
    low, high = MeanSquaredError().range(distribution_of(data), TFLITE_INT8)
    assert -low == pytest.approx(9.89, abs=0.9)
    assert high == pytest.approx(9.89, abs=0.9)


@pytest.mark.parametrize("observer", OBSERVERS, ids=lambda observer: observer.name)
def test_a_uniform_distribution_is_not_clipped(observer):
    data = np.random.default_rng(2).uniform(-1.0, 3.0, 500_000)
    low, high = observer.range(distribution_of(data), TFLITE_INT8)
    assert low == pytest.approx(-1.0, abs=0.05)
    assert high == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("observer", OBSERVERS[1:], ids=lambda observer: observer.name)
def test_a_lone_outlier_is_clipped(observer):
    data = np.append(normal(), 60.0)
    low, high = observer.range(distribution_of(data), TFLITE_INT8)
    assert 2.0 < -low < 6.0
    assert 2.0 < high < 30.0


def test_entropy_is_not_fooled_by_the_zeros_of_a_relu():
    data = np.maximum(normal(), 0.0)
    _, high = Entropy().range(distribution_of(data), TFLITE_INT8)
    assert high > 3.0


@pytest.mark.parametrize("observer", OBSERVERS, ids=lambda observer: observer.name)
@pytest.mark.parametrize("scheme", [TFLITE_INT8, TFLITE_INT16], ids=lambda scheme: scheme.name)
@pytest.mark.parametrize("constant", [0.0, 2.5, -2.5])
def test_constant_tensors_get_a_range_that_holds_them(observer, scheme, constant):
    low, high = observer.range(distribution_of(np.full(100, constant)), scheme)
    params = scheme.activation_params(low, high)
    step = round(constant / params.scale) + params.zero_point
    restored = (np.clip(step, scheme.lowest, scheme.highest) - params.zero_point) * params.scale
    assert restored == pytest.approx(constant, rel=0.05, abs=1e-6)


def test_mse_judges_behind_the_activation_that_reads_the_value():
    data = normal() * 4.0 - 4.0

    def leaky(x):
        return np.where(x > 0.0, x, 0.01 * x)

    plain = MeanSquaredError().range(distribution_of(data), TFLITE_INT8)
    heard = MeanSquaredError().range(distribution_of(data, leaky), TFLITE_INT8)
    assert heard[0] > 0.7 * plain[0]

    def error(low, high):
        params = TFLITE_INT8.activation_params(low, high)
        steps = np.clip(np.rint(data / params.scale) + params.zero_point, -128, 127)
        return np.square(leaky(data) - leaky((steps - params.zero_point) * params.scale)).mean()

    assert error(*heard) < 0.8 * error(*plain)
