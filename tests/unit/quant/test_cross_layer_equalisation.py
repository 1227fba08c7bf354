"""Equalisation leaves the function alone, evens channels out, and says what it cannot move."""

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.op import Activation
from fpc.quant.equalisation.channel_ranges import channel_ranges
from fpc.quant.equalisation.channel_scales import ChannelRange, Reader, choose_scales
from fpc.quant.equalisation.cross_layer import equalise
from tests.unit.quant.networks import Builder, leaky_network, numpy_runner, samples_of

GAINS = np.exp(np.random.default_rng(3).normal(size=8) * 1.5)


def equalised(graph):
    return equalise(graph, channel_ranges(graph, samples_of(graph, 4), numpy_runner))


def spread(channel):
    reach = channel.reach[channel.reach > 0]
    return reach.max() / np.median(reach)


def networks():
    relu = Activation.RELU
    yield "depthwise", Builder().conv(8, gains=GAINS).then(ops.LeakyRelu(0.2)).depthwise().done()
    yield "dense", Builder().conv(8, gains=GAINS, activation=relu).classifier().done()
    yield (
        "pools and pads",
        Builder()
        .conv(8, gains=GAINS)
        .then(ops.Relu())
        .then(ops.MaxPool((2, 2), (2, 2)))
        .then(ops.Pad((0, 0, 1, 0), (0, 0, 1, 2)))
        .then(ops.AvgPool((2, 2)))
        .conv(6, kernel=1)
        .done(),
    )
    build = Builder().conv(8, gains=GAINS)
    slopes = build.graph.constant(np.full((1, 8, 1, 1), 0.25, np.float32))
    yield "prelu", build.then(ops.PRelu(), slopes).conv(4).done()
    build = Builder().conv(8, gains=GAINS, activation=relu)
    first = build.value
    second = build.conv(8, gains=GAINS[::-1], kernel=1, activation=relu).value
    build.value = build.graph.add(ops.Concat(1), second, first).output
    yield "concat", build.then(ops.MaxPool((2, 2))).conv(5).done()
    build = Builder().conv(8, gains=GAINS, activation=relu)
    yield (
        "transposed",
        build.then(ops.ConvTranspose2d(strides=(2, 2)), build.constant(4, 8, 2, 2)).done(),
    )


@pytest.mark.parametrize(
    ("name", "graph"), list(networks()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_the_function_stays_and_channels_come_closer(name, graph):
    result = equalised(graph)
    assert result.rescaled, name
    for sample in samples_of(graph, 3, seed=9):
        (before,), (after,) = run(graph, sample), run(result.graph, sample)
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-4 * np.abs(before).max())
    was = channel_ranges(graph, samples_of(graph, 4), numpy_runner)
    now = channel_ranges(result.graph, samples_of(graph, 4), numpy_runner)
    moved = [value for value in was if result.values[value] in result.rescaled]
    assert moved
    assert all(spread(now[result.values[value]]) < spread(was[value]) for value in moved)


def test_the_given_graph_is_not_touched():
    graph = leaky_network()
    before = graph.to_text()
    assert equalised(graph).rescaled
    assert graph.to_text() == before


def test_what_cannot_be_moved_is_named():
    clamped = Builder().conv(8, gains=GAINS, activation=Activation.RELU6).conv(4).done()
    bent = Builder().conv(8, gains=GAINS).then(ops.Sigmoid()).conv(4).done()
    result, other = equalised(clamped), equalised(bent)
    assert not result.rescaled
    assert any("relu6 bounds every channel alike" in reason for reason in result.skipped)
    assert not other.rescaled
    assert any("sigmoid" in reason for reason in other.skipped)
    assert all("output of the graph" in reason for reason in other.skipped[1:])


def test_a_shared_weight_is_left_alone():
    build = Builder((1, 8, 6, 6))
    w = build.constant(8, 8, 1, 1)
    graph = build.then(ops.Conv2d(), w).then(ops.Relu()).then(ops.Conv2d(), w).done()
    result = equalised(graph)
    assert not result.rescaled
    assert "shared" in result.skipped[0]


def test_a_free_reader_gets_equal_ranges():
    high = np.array([8.0, 1.0, 0.125, 0.0])
    choice = choose_scales([ChannelRange(np.zeros(4), high)], [Reader(None, None)])
    after = high / choice.factors
    assert after[:3] == pytest.approx(after[0])
    assert choice.factors[3] == 1.0
    assert choice.gain_db > 10.0


def test_equal_channels_are_not_scaled():
    one = ChannelRange(-np.ones(5), np.ones(5))
    assert choose_scales([one], [Reader(None, None)]).gain_db == 0.0


def test_a_full_reader_whose_weights_would_suffer_more_is_weighed():
    high = np.array([8.0, 1.0, 1.0])
    weights = np.array([[100.0, 0.01, 0.01]])
    careful = choose_scales([ChannelRange(np.zeros(3), high)], [Reader(weights**2, weights)])
    free = choose_scales([ChannelRange(np.zeros(3), high)], [Reader(None, None)])
    assert np.ptp(np.log(careful.factors)) < np.ptp(np.log(free.factors))
