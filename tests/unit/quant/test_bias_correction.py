"""Bias correction: means from mean inputs, corrected integer layers."""

import numpy as np
import pytest

from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.types import f32
from fpc.quant.apply import apply_plan
from fpc.quant.calibration.mean_inputs import MeanInputs
from fpc.quant.calibration.observers import MinMax
from fpc.quant.calibration.statistics import collect
from fpc.quant.plan import make_plan
from fpc.quant.refinement.bias_correction import mean_response
from fpc.quant.refinement.refine import correct_analytically, refine
from fpc.quant.scheme import TFLITE_INT8, TFLITE_INT16
from tests.unit.quant.networks import Builder, leaky_network, numpy_runner, samples_of

CONVOLUTIONS = {
    "plain": (ops.Conv2d(), (6, 4, 3, 3)),
    "strided": (ops.Conv2d(strides=(2, 3), pads=(1, 0, 2, 1)), (6, 4, 3, 2)),
    "dilated": (ops.Conv2d(dilations=(2, 1), pads=(2, 2, 2, 2)), (5, 4, 3, 3)),
    "grouped": (ops.Conv2d(groups=2), (6, 2, 1, 1)),
    "depthwise": (ops.Conv2d(groups=4, pads=(1, 1, 1, 1), strides=(2, 2)), (8, 1, 3, 3)),
    "transposed": (ops.ConvTranspose2d(strides=(2, 2), pads=(1, 0, 0, 1)), (3, 4, 3, 3)),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_the_mean_response_follows_from_the_mean_input(case):
    op, shape = CONVOLUTIONS[case]
    rng = np.random.default_rng(0)
    graph = Graph()
    x = graph.add_input("x", f32(1, 4, 9, 11))
    w = rng.normal(size=shape).astype(np.float32)
    node = graph.add(op, x, graph.constant(w))
    graph.set_outputs([node.output])
    images = [rng.normal(size=(1, 4, 9, 11)).astype(np.float32) for _ in range(5)]
    responses = np.concatenate([run(graph, [image])[0] for image in images])
    found = mean_response(node, np.mean(images, axis=0), w)
    np.testing.assert_allclose(found, responses.mean(axis=(0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_the_mean_response_of_a_dense_layer_is_over_all_rows():
    graph = Graph()
    x = graph.add_input("x", f32(2, 3, 5))
    w = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    node = graph.add(ops.Dense(), x, graph.constant(w))
    data = np.random.default_rng(1).normal(size=(2, 3, 5)).astype(np.float32)
    found = mean_response(node, data, w)
    np.testing.assert_allclose(found, (data.reshape(-1, 5) @ w.T).mean(axis=0), rtol=1e-5)


def prepared(graph, samples, scheme=TFLITE_INT8):
    listener = MeanInputs(graph, frozenset(range(len(samples))))
    statistics = collect(graph, samples, numpy_runner, listener=listener)
    return make_plan(graph, statistics, scheme, MinMax()), listener.means()


def mean_errors(graph, integer, samples, name):
    """By channel: mean of the float value `name` minus that of the integer one."""
    totals = []
    for each, restore in ((graph, False), (integer, True)):
        copy, twins = each.clone_with_values()
        value = twins[each.find(name)]
        copy.set_outputs([value])
        arrays = []
        for sample in samples:
            inputs = list(sample)
            if restore:
                q = copy.inputs[0].type.quant
                steps = np.rint(inputs[0] / q.scale) + q.zero_point
                low, high = copy.inputs[0].type.dtype.minimum, copy.inputs[0].type.dtype.maximum
                inputs = [np.clip(steps, low, high).astype(copy.inputs[0].type.dtype.numpy)]
            (array,) = run(copy, inputs)
            if restore:
                q = value.type.quant
                array = (array.astype(np.float64) - q.zero_point) * q.scale
            arrays.append(array)
        stacked = np.concatenate(arrays)
        totals.append(stacked.mean(axis=tuple(i for i in range(stacked.ndim) if i != 1)))
    return totals[0] - totals[1]


@pytest.mark.parametrize("scheme", [TFLITE_INT8, TFLITE_INT16], ids=lambda s: s.name)
def test_corrected_layers_have_the_float_mean(scheme):
    graph = leaky_network()
    samples = samples_of(graph, 12)
    plan, means = prepared(graph, samples, scheme)
    refined = refine(graph, plan, scheme, samples, means, numpy_runner, rounding=None)
    plain = apply_plan(graph, plan, scheme)
    integer = apply_plan(graph, plan, scheme, biases=refined.biases)
    convolutions = [n for n in graph if isinstance(n.op, ops.Conv2d)]
    for node in convolutions[:2]:
        name = node.output.name
        step = plan.activations[node.output].scale
        before = np.abs(mean_errors(graph, plain, samples, name)).max()
        after = np.abs(mean_errors(graph, integer, samples, name)).max()
        assert after < max(0.6 * before, 0.05 * step)


def test_correction_gives_a_bias_to_a_layer_without_one():
    build = Builder((1, 4, 5, 5))
    graph = build.then(ops.Conv2d(), build.constant(3, 4, 3, 3)).done()
    samples = samples_of(graph, 4)
    plan, means = prepared(graph, samples)
    refined = refine(graph, plan, TFLITE_INT8, samples, means, numpy_runner, rounding=None)
    (node,) = graph
    assert refined.biases[node].shape == (3,)
    assert np.any(refined.biases[node] != 0.0)
    integer = apply_plan(graph, plan, TFLITE_INT8, biases=refined.biases)
    assert integer.nodes[0].optional_input(2) is not None


def test_analytic_correction_cancels_the_mean_error_of_rounded_weights():
    build = Builder((1, 4, 8, 8))
    graph = build.conv(6, pads=(0, 0, 0, 0)).done()
    samples = [(np.abs(array) + 1.0,) for (array,) in samples_of(graph, 6)]
    plan, means = prepared(graph, samples)
    (node,) = graph
    refined = correct_analytically(graph, plan, TFLITE_INT8, means)
    weight = node.input(1)
    rounded = refined.weights[weight] * np.array(plan.weights[weight].scales).reshape(-1, 1, 1, 1)
    exact = mean_response(node, means[graph.inputs[0]], weight.data) + node.input(2).data
    found = mean_response(node, means[graph.inputs[0]], rounded) + refined.biases[node]
    uncorrected = mean_response(node, means[graph.inputs[0]], rounded) + node.input(2).data
    np.testing.assert_allclose(found, exact, atol=1e-5)
    assert np.abs(uncorrected - exact).max() > 1e-3


def test_the_mean_is_of_chosen_samples_and_behind_clamps():
    build = Builder((1, 2, 4, 4)).conv(3)
    graph = build.then(ops.Relu6()).conv(2).done()
    samples = samples_of(graph, 6)
    listener = MeanInputs(graph, frozenset({1, 4}))
    collect(graph, samples, numpy_runner, listener=listener)
    means = listener.means()
    copy, twins = graph.clone_with_values()
    clamped = graph.nodes[1].output
    copy.set_outputs([twins[clamped]])
    wanted = {
        graph.inputs[0]: samples[1][0] + samples[4][0],
        clamped: run(copy, samples[1])[0] + run(copy, samples[4])[0],
    }
    assert set(means) == set(wanted)
    for value, total in wanted.items():
        np.testing.assert_allclose(means[value], total / 2, rtol=1e-6)
