"""Streamed statistics against numpy on all samples at once; every bad sample a coded error."""

import gc
import tracemalloc

import numpy as np
import pytest

from fpc.diagnostics.errors import QuantError
from fpc.diagnostics.location import Location
from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.types import TensorType, f32
from fpc.quant.calibration.distribution import Histogram
from fpc.quant.calibration.statistics import collect, observed_values


def numpy_runner(graph):
    return lambda inputs: run(graph, inputs)


def small_network():
    rng = np.random.default_rng(0)
    graph = Graph()
    x = graph.add_input("x", f32(1, 3, 6, 5))
    w = graph.constant(rng.normal(size=(4, 3, 3, 3)).astype(np.float32), "w")
    conv = graph.add(ops.Conv2d(), x, w, name="conv", location=Location.of("Conv_0")).output
    relu = graph.add(ops.Relu(), conv, name="relu").output
    pool = graph.add(ops.MaxPool((2, 2)), relu, name="pool").output
    flat = graph.add(ops.Reshape((1, 24)), pool, name="flat").output
    wd = graph.constant(rng.normal(size=(7, 24)).astype(np.float32), "wd")
    dense = graph.add(ops.Dense(), flat, wd, name="dense").output
    graph.set_outputs([dense])
    return graph


def samples(count, seed=1):
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(1, 3, 6, 5)).astype(np.float32),) for _ in range(count)]


def test_extremes_and_histograms_are_those_of_all_samples():
    graph, data = small_network(), samples(9)
    statistics = collect(graph, data, numpy_runner)
    assert {value.name for value in statistics} == {"x", "conv", "dense"}
    keep = Graph.clone_with_values(graph)
    for value, seen in statistics.items():
        copy, twins = keep
        copy.set_outputs([twins[value]])
        arrays = np.concatenate([run(copy, sample)[0] for sample in data])
        assert seen.low == arrays.min()
        assert seen.high == arrays.max()
        counts, _ = np.histogram(arrays, len(seen.histogram.counts), (seen.low, seen.high))
        assert seen.histogram.counts.sum() == arrays.size
        assert np.abs(np.cumsum(seen.histogram.counts) - np.cumsum(counts)).max() <= 2


def test_what_only_moves_or_is_clamped_alone_is_not_observed():
    graph = small_network()
    assert [value.name for value in observed_values(graph)] == ["x", "conv", "dense"]
    graph.set_outputs([*graph.outputs, graph.find("conv")])
    assert "relu" in [value.name for value in observed_values(graph)]


def test_histograms_cost_a_second_pass_only_when_asked_for():
    runs = []

    def counting_runner(graph):
        return lambda inputs: runs.append(1) or run(graph, inputs)

    statistics = collect(small_network(), samples(3), counting_runner)
    assert len(runs) == 3
    for seen in statistics.values():
        assert seen.histogram.counts.sum() > 0
    assert len(runs) == 6


def test_what_has_reached_both_ends_of_its_clamp_is_computed_no_more():
    graph = Graph()
    x = graph.add_input("x", f32(1, 2, 4, 4))
    w = graph.constant(np.array([[9.0, 0.0], [0.0, 9.0]], np.float32).reshape(2, 2, 1, 1))
    clamped = graph.add(ops.Conv2d(activation=Activation.RELU6), x, w, name="clamped").output
    pooled = graph.add(ops.GlobalAvgPool(), clamped, name="pooled").output
    rectified = graph.add(ops.Relu(), pooled, name="rectified").output
    graph.set_outputs([pooled, rectified])
    asked = []

    def noting_runner(graph):
        asked.append([value.name for value in graph.outputs])
        return numpy_runner(graph)

    rng = np.random.default_rng(3)
    data = [(rng.normal(size=(1, 2, 4, 4)).astype(np.float32),) for _ in range(20)]
    values = [clamped, pooled, rectified]
    statistics = collect(graph, data, noting_runner, values=values)
    assert asked == [["clamped", "pooled", "rectified"], ["pooled", "rectified"]]
    whole = run(graph.clone(), [np.concatenate([sample for (sample,) in data])])
    assert (statistics[clamped].low, statistics[clamped].high) == (0.0, 6.0)
    for value, arrays in zip((pooled, rectified), whole, strict=True):
        assert (statistics[value].low, statistics[value].high) == (arrays.min(), arrays.max())


def test_progress_is_reported_once_a_sample():
    calls = []
    collect(small_network(), samples(5), numpy_runner, on_sample=lambda: calls.append(1))
    assert len(calls) == 5


class Stream:
    """Samples made up while they are walked through."""

    def __init__(self, count, shape):
        self.count = count
        self.shape = shape

    def __len__(self):
        return self.count

    def __getitem__(self, position):
        if position >= self.count:
            raise IndexError(position)
        return (np.random.default_rng(position).normal(size=self.shape).astype(np.float32),)


def test_memory_does_not_grow_with_the_number_of_samples():
    graph = Graph()
    x = graph.add_input("x", f32(1, 2, 96, 96))
    graph.set_outputs([graph.add(ops.Sigmoid(), x, name="y").output])

    def peak(count):
        gc.collect()
        tracemalloc.start()
        statistics = collect(graph, Stream(count, (1, 2, 96, 96)), numpy_runner)
        assert statistics[x].histogram.counts.sum() > 0
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    one_sample = x.type.size * 4
    peak(2)
    assert peak(60) < peak(4) + 8 * one_sample


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ([], "quant.no-samples"),
        ([()], "quant.sample-count"),
        ([(np.zeros((1, 3, 5, 6), np.float32),)], "quant.sample-shape"),
        ([(np.zeros((1, 3, 6, 5), np.uint8),)], "quant.sample-type"),
        ([(np.full((1, 3, 6, 5), np.nan, np.float32),)], "quant.not-finite"),
    ],
)
def test_bad_samples_are_coded_errors(bad, code):
    with pytest.raises(QuantError) as caught:
        collect(small_network(), bad, numpy_runner)
    assert caught.value.code == code


def test_infinity_names_the_layer_that_makes_it():
    graph = small_network()
    huge = [(np.full((1, 3, 6, 5), 3e38, np.float32),)]
    with np.errstate(all="ignore"), pytest.raises(QuantError) as caught:
        collect(graph, huge, numpy_runner)
    assert caught.value.location == Location.of("Conv_0")


def test_integers_between_floats_are_not_observed():
    graph = Graph()
    x = graph.add_input("x", f32(1, 4))
    cast = graph.add(ops.Cast(DType.I64), x, name="cast").output
    back = graph.add(ops.Cast(DType.F32), cast, name="back").output
    graph.set_outputs([back])
    assert [value.name for value in observed_values(graph)] == ["x", "back"]
    assert cast.type == TensorType(DType.I64, (1, 4))


def test_a_clipped_histogram_is_the_histogram_of_clipped_values():
    data = np.random.default_rng(5).normal(size=50_000)
    clipped = Histogram.of(data).limited(-0.5, 1.25)
    assert (clipped.low, clipped.high) == (-0.5, 1.25)
    assert clipped.counts.sum() == data.size
    wanted = np.clip(data, -0.5, 1.25)
    edges = np.linspace(-0.5, 1.25, 8)
    found = np.add.reduceat(clipped.counts, np.searchsorted(clipped.centres, edges[:-1]))
    np.testing.assert_allclose(found, np.histogram(wanted, edges)[0], atol=0.006 * data.size)


def test_a_histogram_clipped_to_a_point_keeps_its_count():
    clipped = Histogram.of(np.linspace(1.0, 2.0, 100)).limited(-1.0, 0.0)
    assert (clipped.low, clipped.high, clipped.counts.tolist()) == (0.0, 0.0, [100.0])
