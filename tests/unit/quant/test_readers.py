"""Where activations are deaf: brute force over integers, and the gain in a network's block."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import erf

from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.types import f32
from fpc.quant.analysis.readers import reading_of
from fpc.quant.apply import apply_plan
from fpc.quant.calibration.observers import MinMax
from fpc.quant.calibration.statistics import collect
from fpc.quant.plan import make_plan
from fpc.quant.scheme import TFLITE_INT8, TFLITE_INT16

FUNCTIONS = {
    ops.HardSwish(): lambda x: x * np.clip(x + 3, 0, 6) / 6,
    ops.Silu(): lambda x: x / (1 + np.exp(-x)),
    ops.Gelu(): lambda x: x * 0.5 * (1 + erf(x / np.sqrt(2))),
    ops.Sigmoid(): lambda x: 1 / (1 + np.exp(-x)),
    ops.Tanh(): np.tanh,
}


def read_by(*build):
    """A value read by what `build` adds, in a graph of its own."""
    graph = Graph()
    x = graph.add_input("x", f32(1, 4))
    outputs = [make(graph, x) for make in build]
    graph.set_outputs(outputs)
    return x


@pytest.mark.parametrize("op", FUNCTIONS, ids=lambda op: op.mnemonic)
@pytest.mark.parametrize("scheme", [TFLITE_INT8, TFLITE_INT16], ids=lambda scheme: scheme.name)
def test_clipping_to_the_bounds_moves_results_by_half_a_step_at_most(op, scheme):
    reading = reading_of(read_by(lambda graph, x: graph.add(op, x).output))
    low, high = reading.audible_bounds(scheme)
    fixed = scheme.fixed_results.get(type(op))
    half_step = (1 / scheme.steps if fixed is None else fixed.scale) / 2
    x = np.linspace(-60, 60, 200_001)
    function = FUNCTIONS[op]
    np.testing.assert_allclose(reading.response(x), function(x), atol=1e-12)
    change = np.abs(function(np.clip(x, low, high)) - function(x))
    assert change.max() <= half_step * 1.0001
    tighter = np.abs(function(np.clip(x, low + 0.02, high)) - function(x))
    assert tighter.max() > half_step


def test_hard_swish_is_deaf_below_minus_3_exactly():
    reading = reading_of(read_by(lambda graph, x: graph.add(ops.HardSwish(), x).output))
    assert reading.audible_bounds(TFLITE_INT16) == (-3.0, np.inf)


@pytest.mark.parametrize("slope", [0.01, 0.1, 0.3])
def test_a_leaky_relu_hears_everything(slope):
    reading = reading_of(read_by(lambda graph, x: graph.add(ops.LeakyRelu(slope), x).output))
    assert reading.audible_bounds(TFLITE_INT8) == (-np.inf, np.inf)
    assert reading.response(np.array([-2.0, 2.0])).tolist() == [-2.0 * slope, 2.0]


def test_parametric_relu_counts_as_its_mean_slope():
    def prelu(graph, x):
        slopes = graph.constant(np.array([[0.1, 0.2, 0.3, 0.2]], np.float32))
        return graph.add(ops.PRelu(), x, slopes).output

    response = reading_of(read_by(prelu)).response
    assert response(np.array([-1.0, 5.0])) == pytest.approx([-0.2, 5.0])


def silu(graph, x):
    gate = graph.add(ops.Sigmoid(), x).output
    return graph.add(ops.Mul(), gate, x).output


def spelt_out_hard_swish(graph, x):
    three = graph.constant(np.array([3.0], np.float32))
    gate = graph.add(ops.Add(Activation.RELU6), x, three).output
    return graph.add(ops.Mul(), x, gate).output


def test_spelt_out_activations_are_recognised():
    assert reading_of(read_by(silu)).audible_bounds(TFLITE_INT8)[0] == pytest.approx(-8.4, abs=0.1)
    hard = reading_of(read_by(spelt_out_hard_swish)).audible_bounds(TFLITE_INT8)
    assert hard == (-3.0, np.inf)


def test_other_readers_hear_everything():
    def product_of_others(graph, x):
        gate = graph.add(ops.Sigmoid(), x).output
        both = graph.add(ops.Mul(), gate, x).output
        return graph.add(ops.Add(), both, gate).output

    assert reading_of(read_by(silu, lambda graph, x: graph.add(ops.Tanh(), x).output)) is None
    assert reading_of(read_by(product_of_others)) is None
    assert reading_of(read_by(lambda graph, x: x)) is None
    assert reading_of(read_by(lambda graph, x: graph.add(ops.Add(), x, x).output)) is None


def test_a_block_of_mobilenet_v3_gains_what_its_negative_tail_cost():
    rng = np.random.default_rng(0)
    graph = Graph()
    x = graph.add_input("x", f32(1, 8, 8, 8))
    w = graph.constant((rng.normal(size=(8, 8, 1, 1)) * 2).astype(np.float32), "w")
    b = graph.constant(np.full(8, -12.0, np.float32), "b")
    conv = graph.add(ops.Conv2d(), x, w, b, name="conv").output
    graph.set_outputs([graph.add(ops.HardSwish(), conv, name="y").output])
    samples = [(rng.normal(size=(1, 8, 8, 8)).astype(np.float32),) for _ in range(8)]
    statistics = collect(graph, samples, lambda g: lambda xs: run(g, list(xs)))

    def noise(plan):
        integer = apply_plan(graph, plan, TFLITE_INT8)
        total = 0.0
        for (sample,) in samples:
            q = integer.inputs[0].type.quantisation
            steps = np.clip(np.rint(sample / q.scale) + q.zero_point, -128, 127).astype(np.int8)
            (got,) = run(integer, [steps])
            q = integer.outputs[0].type.quantisation
            wanted = run(graph, [sample])[0]
            total += np.square((got.astype(float) - q.zero_point) * q.scale - wanted).sum()
        return total

    plan = make_plan(graph, statistics, TFLITE_INT8, MinMax())
    seen = statistics[conv]
    whole = TFLITE_INT8.activation_params(seen.low, seen.high)
    wide = {**plan.activations, conv: whole}
    assert whole.scale > 2 * plan.activations[conv].scale
    assert noise(plan) < 0.85 * noise(replace(plan, activations=wide))
