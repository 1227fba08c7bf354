"""Calibration without data: images, normalisation, what batch norms promise."""

from itertools import pairwise

import numpy as np
import pytest

from fpc.diagnostics.errors import QuantError
from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import TensorType, f32
from fpc.quant.calibration.statistics import collect
from fpc.quant.data_free.expected_ranges import ANSWER_MARGIN, expected_ranges, widen
from fpc.quant.data_free.natural_images import natural_image, pink_noise
from fpc.quant.data_free.normalisation import (
    BYTE_NORMALISATION,
    COMMON_NORMALISATION,
    estimate_normalisation,
    guess_normalisation,
)
from fpc.quant.data_free.synthetic_samples import synthetic_samples


def spectral_slope(images):
    """The exponent of power against frequency, averaged over directions and images."""
    size = images.shape[1]
    power = (np.abs(np.fft.fft2(images)) ** 2).mean(axis=0)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    rings = np.geomspace(2 / size, 0.35, 12)
    level = [power[(frequency >= a) & (frequency < b)].mean() for a, b in pairwise(rings)]
    return np.polyfit(np.log(rings[:-1]), np.log(level), 1)[0]


def grey_images(count, size):
    rng = np.random.default_rng(0)
    images = np.stack([natural_image(size, size, rng) for _ in range(count)]).mean(axis=-1)
    return images - images.mean(axis=(1, 2), keepdims=True)


def test_images_have_the_spectrum_of_photographs():
    """Power falls as frequency^-(2 - eta), -2.6 to -1.6 in collections of photographs.

    Ruderman, "Origins of scaling in natural images", Vision Research 37, 1997.
    """
    assert -2.7 < spectral_slope(grey_images(12, 128)) < -1.6


def test_images_have_heavy_tailed_gradients():
    """Edges among flat regions: kurtosis well above the 3 of Gaussian noise."""
    steps = np.diff(grey_images(12, 128), axis=2).ravel()
    assert (steps**4).mean() / (steps**2).mean() ** 2 > 8.0


def test_images_span_the_range_and_fit_any_rectangle():
    rng = np.random.default_rng(0)
    images = [natural_image(40, 56, rng) for _ in range(20)]
    assert {image.shape for image in images} == {(40, 56, 3)}
    pixels = np.stack(images)
    assert pixels.dtype == np.uint8
    assert 90 < pixels.mean() < 150
    assert 40 < pixels.std() < 90
    assert pixels.min() < 10
    assert pixels.max() > 245


def test_pink_noise_is_normalised():
    noise = pink_noise(64, np.random.default_rng(0))
    assert noise.mean() == pytest.approx(0.0, abs=1e-5)
    assert noise.std() == pytest.approx(1.0, abs=1e-5)


def first_layers(scale, offset, channels=3):
    """A convolution and a batch norm that has seen images normalised by scale and offset."""
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(24, channels, 3, 3)) * 0.3
    graph = Graph()
    x = graph.add_input("x", f32(1, channels, 48, 48))
    w = graph.constant(weight.astype(np.float32), "w")
    conv = graph.add(ops.Conv2d(strides=(2, 2)), x, w, name="conv").output
    graph.set_outputs([conv])
    responses = []
    source = np.random.default_rng(77)
    for _ in range(40):
        image = natural_image(48, 48, source).astype(np.float32) / 255
        planes = image.transpose(2, 0, 1) if channels == 3 else image.mean(axis=-1)[None]
        planes = planes * scale + np.array(offset, np.float32)[:, None, None]
        responses.append(run(graph, [planes[None].astype(np.float32)])[0])
    found = np.concatenate(responses)
    mean, variance = found.mean(axis=(0, 2, 3)), found.var(axis=(0, 2, 3))
    parameters = [np.ones(24), np.zeros(24), mean, variance]
    constants = [graph.constant(p.astype(np.float32), "p") for p in parameters]
    norm = graph.add(ops.BatchNorm(), conv, *constants, name="norm").output
    graph.set_outputs([norm])
    return graph


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(2.0, (-1.0, -1.0, -1.0)), (255.0, (-123.7, -116.8, -103.9)), (4.4, (-2.1, -2.0, -1.8))],
)
def test_the_normalisation_is_found_from_the_first_batch_norm(scale, offset):
    found = estimate_normalisation(first_layers(scale, offset))
    assert found.scale == pytest.approx(scale, rel=0.25)
    wanted = np.array(offset) + 0.45 * scale
    assert np.array(found.offset) + 0.45 * found.scale == pytest.approx(wanted, abs=0.2 * scale)


def test_the_normalisation_of_grey_images_is_found():
    found = estimate_normalisation(first_layers(2.0, (-1.0,), channels=1))
    assert found.scale == pytest.approx(2.0, rel=0.25)


def test_normalisation_inside_the_graph_is_seen_through():
    """A network that takes 0..255 and subtracts, divides and pads before its first convolution."""
    inner = first_layers(2.0, (-1.0, -1.0, -1.0))
    conv, norm = inner.nodes
    graph = Graph()
    x = graph.add_input("x", f32(1, 3, 48, 48))
    mean = graph.constant(np.full((1, 3, 1, 1), 127.5, np.float32))
    centred = graph.add(ops.Sub(), x, mean).output
    unit = graph.add(ops.Div(), centred, mean).output
    weight = graph.constant(conv.input(1).data, "w")
    response = graph.add(conv.op, unit, weight).output
    constants = [graph.constant(value.data, "p") for value in norm.operands[1:]]
    graph.set_outputs([graph.add(ops.BatchNorm(), response, *constants).output])
    found = estimate_normalisation(graph)
    assert found.scale == pytest.approx(255.0, rel=0.25)
    assert np.array(found.offset) + 0.45 * found.scale == pytest.approx(0.45 * 255, abs=50)


def test_a_batch_norm_on_the_image_itself_tells_the_most():
    graph = Graph()
    x = graph.add_input("x", f32(1, 3, 64, 64))
    values = ([1.0] * 3, [0.0] * 3, [120.0, 116.0, 104.0], [70.0**2] * 3)
    constants = [graph.constant(np.array(value, np.float32)) for value in values]
    graph.set_outputs([graph.add(ops.BatchNorm(), x, *constants).output])
    found = estimate_normalisation(graph)
    assert 200 < found.scale < 350
    assert np.abs(found.offset).max() < 60


def test_a_batch_norm_behind_an_activation_tells_nothing():
    graph = Graph()
    x = graph.add_input("x", f32(1, 3, 64, 64))
    relu = graph.add(ops.Relu(), x).output
    constants = [graph.constant(np.ones(3, np.float32)) for _ in range(4)]
    graph.set_outputs([graph.add(ops.BatchNorm(), relu, *constants).output])
    assert estimate_normalisation(graph) is None


def test_without_a_batch_norm_the_common_normalisation_is_guessed():
    graph = Graph()
    x = graph.add_input("x", f32(1, 3, 16, 16))
    graph.set_outputs([graph.add(ops.Relu(), x).output])
    assert estimate_normalisation(graph) is None
    assert synthetic_samples(graph).prepare == COMMON_NORMALISATION


@pytest.mark.parametrize(("gain", "guess"), [(1.0, 0), (0.01, 1)])
def test_a_network_whose_biases_outweigh_unit_images_is_made_for_bytes(gain, guess):
    rng = np.random.default_rng(0)
    graph = Graph()
    x = graph.add_input("x", f32(1, 3, 32, 32))
    w = graph.constant((gain * rng.normal(size=(8, 3, 3, 3))).astype(np.float32), "w")
    b = graph.constant(rng.normal(size=8).astype(np.float32), "b")
    conv = graph.add(ops.Conv2d(), x, w, b).output
    graph.set_outputs([graph.add(ops.GlobalAvgPool(), graph.add(ops.Relu(), conv).output).output])
    found = guess_normalisation(graph, lambda g: lambda xs: run(g, list(xs)))
    assert found == (COMMON_NORMALISATION, BYTE_NORMALISATION)[guess]
    assert guess_normalisation(graph) == COMMON_NORMALISATION


def test_samples_fit_every_input_and_repeat():
    graph = Graph()
    image = graph.add_input("image", f32(2, 1, 20, 24))
    vector = graph.add_input("vector", f32(1, 10))
    graph.set_outputs([image, vector])
    samples = synthetic_samples(graph, count=3)
    assert len(samples) == 3
    for first, again in zip(samples, synthetic_samples(graph, count=3), strict=True):
        assert [array.shape for array in first] == [(2, 1, 20, 24), (1, 10)]
        assert all(array.dtype == np.float32 for array in first)
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)
    pictures = [sample[0] for sample in samples]
    assert not np.array_equal(pictures[0], pictures[1])


def test_preprocessing_is_used_where_it_is_known():
    graph = Graph()
    graph.set_outputs([graph.add_input("x", f32(1, 3, 16, 16))])
    samples = synthetic_samples(graph, lambda pixels: pixels.transpose(2, 0, 1) - 300.0, count=2)
    assert all(sample[0].max() < -40.0 for sample in samples)


def test_integer_inputs_cannot_be_made_up():
    graph = Graph()
    graph.set_outputs([graph.add_input("tokens", TensorType(DType.I64, (1, 8)))])
    with pytest.raises(QuantError) as caught:
        synthetic_samples(graph)
    assert caught.value.code == "quant.no-synthetic-input"
    assert "%tokens" in caught.value.message


def normalised(activation):
    graph = Graph()
    x = graph.add_input("x", f32(1, 2, 4, 4))
    values = ([1.0, 2.0], [0.5, -1.0], [0.0, 0.0], [1.0, 1.0])
    constants = [graph.constant(np.array(value, np.float32)) for value in values]
    norm = graph.add(ops.BatchNorm(), x, *constants, name="norm").output
    graph.set_outputs([graph.add(activation, norm, name="y").output])
    return graph


@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [
        (ops.Relu(), 0.0, 7.0),
        (ops.Relu6(), 0.0, 6.0),
        (ops.LeakyRelu(0.1), -9.0, 7.0),
        (ops.HardSwish(), -0.375, 7.0),
        (ops.Silu(), -0.279, 7.0),
    ],
)
def test_batch_norms_promise_four_deviations_through_the_activation(activation, low, high):
    ranges = expected_ranges(normalised(activation))
    assert ranges["norm"] == (-9.0, 7.0)
    assert ranges["y"] == pytest.approx((low, high))


def test_answers_are_widened_and_promises_kept():
    rng = np.random.default_rng(0)
    graph = Graph()
    x = graph.add_input("x", f32(1, 2, 4, 4))
    w = graph.constant(rng.normal(size=(4, 2, 1, 1)).astype(np.float32), "w")
    hidden = graph.add(ops.Conv2d(), x, w, name="hidden").output
    mean = graph.add(ops.GlobalAvgPool(), hidden, name="mean").output
    flat = graph.add(ops.Reshape((1, 4)), mean).output
    wd = graph.constant(rng.normal(size=(5, 4)).astype(np.float32), "wd")
    logits = graph.add(ops.Dense(), flat, wd, name="logits").output
    scores = graph.add(ops.Softmax(1), logits, name="scores").output
    graph.set_outputs([scores])
    samples = [(rng.normal(size=(1, 2, 4, 4)).astype(np.float32),) for _ in range(3)]
    seen = collect(graph, samples, lambda g: lambda xs: run(g, list(xs)))
    wide = widen(graph, seen, {"hidden": (-50.0, 0.5)})
    assert (wide[hidden].low, wide[hidden].high) == (-50.0, seen[hidden].high)
    assert wide[mean] is seen[mean]
    assert wide[logits].high == seen[logits].high * ANSWER_MARGIN
    assert wide[logits].low == seen[logits].low * ANSWER_MARGIN
    histogram = wide[hidden].histogram
    assert histogram.counts.sum() == seen[hidden].histogram.counts.sum()
    assert (histogram.low, histogram.high) == (-50.0, seen[hidden].high)
