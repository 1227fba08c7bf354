"""The collapse guard: figures against their formulas, verdicts at their thresholds, layers."""

import math

import numpy as np
import pytest

from fpc.diagnostics.errors import QuantError
from fpc.interp.executor import run
from fpc.ir import ops
from fpc.quant.apply import apply_plan
from fpc.quant.calibration.observers import MinMax
from fpc.quant.calibration.statistics import collect
from fpc.quant.plan import make_plan
from fpc.quant.quality.guard import compare
from fpc.quant.quality.layer_errors import layer_errors
from fpc.quant.quality.verdict import Deviation, LayerQuality, Quality, Verdict, decibels, judge
from fpc.quant.refinement.layerwise import to_graph_type, to_reals
from fpc.quant.scheme import TFLITE_INT8, TVM_INT16
from tests.unit.quant.networks import RUNNERS, Builder, leaky_network, numpy_runner, samples_of


def quantised(graph, samples):
    plan = make_plan(graph, collect(graph, samples, numpy_runner), TFLITE_INT8, MinMax())
    return plan, apply_plan(graph, plan, TFLITE_INT8)


def test_figures_are_those_of_the_outputs():
    graph = leaky_network()
    _, integer = quantised(graph, samples_of(graph))
    held_out = samples_of(graph, 12, seed=8)
    found = compare(graph, integer, held_out, RUNNERS)
    wanted = np.concatenate([run(graph, sample)[0] for sample in held_out])
    given = np.concatenate(
        [
            to_reals(run(integer, [to_graph_type(s[0], integer.inputs[0])])[0], integer.outputs[0])
            for s in held_out
        ]
    )
    noise = np.square(wanted - given).sum()
    assert found.samples == 12
    assert found.sqnr_db == pytest.approx(10 * np.log10(np.square(wanted).sum() / noise), abs=1e-3)
    assert found.agreement == 100.0 * np.mean(wanted.argmax(1) == given.argmax(1))
    cosine = (wanted * given).sum() / np.sqrt(np.square(wanted).sum() * np.square(given).sum())
    assert found.cosine == pytest.approx(cosine, abs=1e-5)


def test_the_worse_of_two_outputs_shows():
    build = Builder().conv(4)
    first = build.value
    build.conv(4)
    build.graph.set_outputs([first, build.value])
    graph = build.graph
    _, integer = quantised(graph, samples_of(graph))
    noisy = integer.clone()
    b = noisy.nodes[1].input(2)
    shifted = noisy.constant(b.data + np.int32(40_000), "b", b.type.quant)
    noisy.set_input(noisy.nodes[1], 2, shifted)
    held_out = samples_of(graph, 3, seed=8)
    assert (
        compare(graph, noisy, held_out, RUNNERS).sqnr_db
        < compare(graph, integer, held_out, RUNNERS).sqnr_db - 6.0
    )
    assert compare(graph, integer, held_out, RUNNERS).agreement is None


def test_without_samples_nothing_can_be_said():
    graph = leaky_network()
    _, integer = quantised(graph, samples_of(graph))
    with pytest.raises(QuantError, match="no sample left"):
        compare(graph, integer, [], RUNNERS)


@pytest.mark.parametrize(
    ("sqnr_db", "agreement", "samples", "verdict"),
    [
        (math.inf, 100.0, 20, Verdict.EXCELLENT),
        (30.0, None, 20, Verdict.EXCELLENT),
        (29.9, 100.0, 20, Verdict.GOOD),
        (15.0, 90.0, 20, Verdict.GOOD),
        (14.9, 100.0, 20, Verdict.DEGRADED),
        (23.0, 70.0, 20, Verdict.GOOD),
        (23.0, 70.0, 200, Verdict.DEGRADED),
        (4.9, 90.0, 20, Verdict.COLLAPSED),
        (20.0, 5.0, 20, Verdict.COLLAPSED),
        (-math.inf, None, 1, Verdict.COLLAPSED),
        (math.nan, None, 1, Verdict.COLLAPSED),
    ],
)
def test_verdicts(sqnr_db, agreement, samples, verdict):
    found = judge(samples, sqnr_db, 1.0, agreement)
    assert found.verdict is verdict
    assert found.is_poor == bool(found.reasons)


def test_deviation_without_noise_or_signal():
    exact, silent = Deviation(), Deviation()
    exact.add(np.ones(3), np.ones(3))
    silent.add(np.zeros(3), np.ones(3))
    assert exact.sqnr_db == math.inf
    assert exact.cosine == pytest.approx(1.0)
    assert silent.sqnr_db == -math.inf
    assert silent.cosine == 0.0
    assert decibels(0.01) == pytest.approx(20.0)


def test_squares_that_float32_does_not_hold():
    found, reference = Deviation(), np.full(4, 1e30, np.float32)
    found.add(reference, 0.9 * reference)
    assert found.sqnr_db == pytest.approx(20.0, abs=1e-4)
    assert found.cosine == pytest.approx(1.0)
    assert str(decibels(1.0)) == "0.0"


def test_layers_are_in_order_and_clamps_that_vanish_are_found():
    build = Builder().conv(8).then(ops.Relu()).then(ops.MaxPool((2, 2))).conv(4)
    graph = build.then(ops.Sigmoid()).done()
    plan, integer = quantised(graph, samples_of(graph))
    layers = layer_errors(graph, integer, samples_of(graph, 2, 8), RUNNERS, plan=plan)
    assert [layer.op for layer in layers] == ["conv2d", "conv2d", "sigmoid"]
    assert layers[0].name == "relu"
    assert all(layer.sqnr_db > 25.0 for layer in layers)
    assert all(layer.own_sqnr_db is None for layer in layers)


def test_a_broken_layer_is_told_from_those_that_inherit():
    graph = leaky_network()
    plan, integer = quantised(graph, samples_of(graph))
    node = next(n for n in integer if isinstance(n.op, ops.Conv2d) and n.op.groups > 1)
    w = node.input(1)
    integer.set_input(node, 1, integer.constant(-w.data, "w", w.type.quant))
    layers = layer_errors(graph, integer, samples_of(graph, 2, 8), RUNNERS, plan=plan, own=True)
    quality = Quality(2, 0.0, 0.0, None, Verdict.COLLAPSED, layers=layers)
    (worst,) = quality.worst_layers(1)
    assert worst.name == node.output.name
    assert worst.own_sqnr_db < 5.0
    later = layers[[layer.name for layer in layers].index(worst.name) + 2 :]
    assert all(layer.own_sqnr_db > 15.0 for layer in later)
    assert min(layer.sqnr_db for layer in later) < 15.0


def test_worst_layers_by_all_error_where_their_own_is_unknown():
    layers = tuple(LayerQuality(str(db), "conv2d", float(db), 1.0) for db in (30, 10, 20))
    quality = Quality(1, 20.0, 1.0, None, Verdict.GOOD, layers=layers)
    assert [layer.name for layer in quality.worst_layers(2)] == ["10", "20"]


def test_layers_say_how_many_bits_their_weights_have():
    graph = leaky_network()
    samples = samples_of(graph)
    statistics = collect(graph, samples, numpy_runner)
    for scheme, least, most in ((TFLITE_INT8, 8, 8), (TVM_INT16, 12, 16)):
        plan = make_plan(graph, statistics, scheme, MinMax())
        integer = apply_plan(graph, plan, scheme)
        layers = layer_errors(graph, integer, samples, RUNNERS, plan=plan)
        bits = [layer.weight_bits for layer in layers if layer.weight_bits is not None]
        assert bits
        assert least <= min(bits) <= max(bits) <= most
