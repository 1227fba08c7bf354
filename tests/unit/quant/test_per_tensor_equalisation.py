"""Equalisation for weights with one scale: outsized filters no longer cost others their bits."""

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.op import Activation
from fpc.ir.verifier import verify
from fpc.quant.equalisation.channel_samples import channel_samples
from fpc.quant.equalisation.noise_gains import noise_gains
from fpc.quant.equalisation.per_tensor import equalise_tensors
from fpc.quant.ladder import climb
from fpc.quant.planning.power_of_two import POWER_OF_TWO_INT8
from tests.unit.quant.networks import RUNNERS, Builder, numpy_runner, samples_of

RELU, RELU6 = Activation.RELU, Activation.RELU6
GAINS = 4.0 ** np.linspace(-3.0, 2.0, 16)
"""A factor of a thousand between the channels of a layer: ten of the eight bits."""


def uneven(activation, seed=0):
    """Separable layers, trained as if batch norms had spread the channels of the first one."""
    build = Builder(seed=seed).conv(16, activation=activation)
    build.depthwise(activation=activation).conv(24, kernel=1, activation=activation)
    graph = build.depthwise(activation=activation).classifier().done()
    first, second = list(graph.nodes_of(ops.Conv2d))[:2]
    gains = GAINS / GAINS.max() if activation is RELU6 else GAINS
    move(graph, first, gains, outputs=True)
    move(graph, second, 1.0 / gains, outputs=False)
    return graph


def move(graph, node, factors, *, outputs):
    """Multiply the weights of `node` by output channel, and its bias with them if those move."""
    for index in (1, 2) if outputs else (1,):
        data = node.input(index).data
        shaped = factors.reshape(-1, *(1,) * (data.ndim - 1))
        graph.set_input(node, index, graph.constant((data * shaped).astype(np.float32)))


def equalised(graph, count=12, scheme=POWER_OF_TWO_INT8):
    samples = channel_samples(graph, samples_of(graph, count), numpy_runner)
    return equalise_tensors(graph, samples, scheme)


def spread_of_weights(node):
    rows = np.abs(node.input(1).data.reshape(len(node.input(1).data), -1)).max(axis=1)
    return rows.max() / np.median(rows)


@pytest.mark.parametrize("activation", [RELU, RELU6])
def test_one_scale_a_weight_costs_bits_and_equalisation_wins_them_back(activation):
    graph = uneven(activation)
    samples = samples_of(graph, 20)
    plain, helped = (
        climb(graph, samples, POWER_OF_TWO_INT8, RUNNERS, recipe=recipe).quality.sqnr_db
        for recipe in ("mse+round", "mse+equalise+round")
    )
    assert helped > plain + 6.0
    assert helped > 15.0
    chosen = climb(graph, samples, POWER_OF_TWO_INT8, RUNNERS)
    assert "equalise" in chosen.recipe
    assert chosen.quality.sqnr_db >= helped
    verify(chosen.graph)


def test_limits_are_saturation_and_cost_no_operator():
    graph = uneven(RELU6)
    outcome = climb(
        graph, samples_of(graph, 12), POWER_OF_TWO_INT8, RUNNERS, recipe="equalise+round"
    )
    assert any(isinstance(node.op, ops.Clip) for node in outcome.float_graph)
    assert [type(node.op) for node in outcome.graph] == [type(node.op) for node in graph]
    assert not any(isinstance(node.op, ops.Dequantize) for node in outcome.graph)


@pytest.mark.parametrize("activation", [RELU, RELU6])
def test_the_function_stays_on_what_was_seen(activation):
    graph = uneven(activation)
    result = equalised(graph)
    assert result.rescaled
    for sample in samples_of(graph, 12):
        (before,), (after,) = run(graph, sample), run(result.graph, sample)
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-2 * np.abs(before).max())
    assert spread_of_weights(next(graph.nodes_of(ops.Conv2d))) > 1.5
    first, second = list(result.graph.nodes_of(ops.Conv2d))[:2]
    assert spread_of_weights(first) < 8.0
    assert spread_of_weights(second) < 8.0


def test_a_sum_passes_factors_to_all_that_it_joins():
    build = Builder().conv(8, gains=4.0 ** np.linspace(-2, 2, 8), activation=RELU)
    shortcut = build.value
    build.conv(8, activation=RELU).conv(8, gains=4.0 ** np.linspace(-2, 2, 8))
    build.value = build.graph.add(ops.Add(RELU), build.value, shortcut).output
    graph = build.conv(12, kernel=1, activation=RELU).classifier().done()
    result = equalised(graph)
    (joined,) = graph.nodes_of(ops.Add)
    assert result.values[joined.output] in result.rescaled
    assert not list(result.graph.nodes_of(ops.Clip))[3:]
    for sample in samples_of(graph, 12):
        (before,), (after,) = run(graph, sample), run(result.graph, sample)
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-2 * np.abs(before).max())


def test_what_cannot_be_moved_is_named():
    bent = Builder().conv(8).then(ops.Sigmoid()).conv(4).done()
    skipped = equalised(bent).skipped
    assert "sigmoid" in skipped[0]
    assert "output of the graph" in skipped[1]
    taken = Builder((1, 8, 6, 6))
    source = taken.value
    taken.conv(8)
    taken.value = taken.graph.add(ops.Add(), taken.value, source).output
    assert "an input of the graph" in equalised(taken.conv(4).done()).skipped[0]


def test_the_given_graph_is_not_touched():
    graph = uneven(RELU6)
    before = graph.to_text()
    assert equalised(graph).rescaled
    assert graph.to_text() == before


def test_samples_are_taken_before_fused_clamps():
    graph = Builder().conv(8, activation=RELU6).conv(4).done()
    (value, *_) = (node.output for node in graph)
    opened = Builder().conv(8).conv(4).done()
    before = [run(opened_first(opened), sample)[0] for sample in samples_of(graph, 5)]
    sample = channel_samples(graph, samples_of(graph, 5), numpy_runner)[value]
    assert sample.upper == 6.0
    np.testing.assert_allclose(
        sample.largest, np.maximum(np.max(before, axis=(0, 1, 3, 4)), 0.0), rtol=1e-5
    )
    assert sample.values.min() < 0.0
    assert sample.clamped.min() == 0.0
    assert sample.passing.mean() == pytest.approx(
        np.mean((np.array(before) > 0) & (np.array(before) < 6)), abs=0.05
    )


def opened_first(graph):
    copy = graph.clone()
    copy.set_outputs([next(iter(copy)).output])
    return copy


def test_gains_tell_how_much_noise_arrives():
    graph = Builder().conv(6).conv(5, kernel=1).done()
    gains = noise_gains(graph, channel_samples(graph, samples_of(graph, 2), numpy_runner))
    first, second = list(graph)
    weights = second.input(1).data.reshape(5, 6)
    np.testing.assert_allclose(gains[first.output], np.square(weights).sum(axis=0), rtol=1e-5)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(6, 200_000))
    assert (weights @ noise).var(axis=1).sum() == pytest.approx(gains[first.output].sum(), rel=0.02)
