"""Ranges of outputs: scores get headroom, nothing is clipped."""

import numpy as np
import pytest

from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.types import TensorType, f32
from fpc.quant.calibration.distribution import Distribution, Histogram
from fpc.quant.calibration.observers import Percentile
from fpc.quant.calibration.output_ranges import (
    HEADROOM,
    PinnedDistribution,
    Unpinned,
    gives_scores,
    pin_outputs,
)
from fpc.quant.calibration.statistics import collect
from fpc.quant.scheme import TFLITE_INT8
from tests.unit.quant.networks import Builder, leaky_network, numpy_runner, samples_of


def test_what_looks_like_scores():
    assert gives_scores(f32(1, 1000))
    assert gives_scores(f32(1, 10, 1, 1))
    assert not gives_scores(f32(1, 1))
    assert not gives_scores(f32(1, 3, 8, 8))
    assert not gives_scores(f32(10))
    assert not gives_scores(TensorType(DType.I64, (1, 10)))


def test_scores_get_headroom_and_images_do_not():
    scores = leaky_network()
    image = Builder().conv(3).done()
    for graph, factor in ((scores, 1.0 + HEADROOM), (image, 1.0)):
        seen = collect(graph, samples_of(graph, 4), numpy_runner)
        pinned = pin_outputs(graph, seen)
        (output,) = graph.outputs
        assert pinned[output].high == pytest.approx(seen[output].high * factor)
        assert pinned[output].low == pytest.approx(seen[output].low * factor)
        others = [value for value in seen if value is not output]
        assert all(pinned[value] is seen[value] for value in others)


def test_outputs_behind_moves_are_pinned_where_they_are_made():
    build = Builder().conv(3)
    made = build.value
    graph = build.then(ops.Reshape((1, 432))).done()
    pinned = pin_outputs(graph, collect(graph, samples_of(graph, 2), numpy_runner))
    assert isinstance(pinned[made], PinnedDistribution)


def test_pinned_ranges_are_not_clipped():
    data = np.random.default_rng(0).normal(size=10_000)
    histogram = Histogram.of(data)
    free = Distribution(float(data.min()), float(data.max()), lambda: histogram)
    pinned = PinnedDistribution(free.low, free.high, free.source)
    observer = Unpinned(Percentile(99.0))
    assert observer.name == "percentile 99"
    assert observer.range(pinned, TFLITE_INT8) == (free.low, free.high)
    assert observer.range(free, TFLITE_INT8)[1] < free.high
    assert observer.range(pinned.limited(0.0, 1.0), TFLITE_INT8) == (0.0, 1.0)
