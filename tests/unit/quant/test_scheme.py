"""Activation parameters, by hand from the definition real = scale * (integer - zero point)."""

import numpy as np
import pytest

from fpc.ir import ops
from fpc.ir.graph import Graph
from fpc.ir.types import QuantParams, f32
from fpc.quant.calibration.observers import MinMax
from fpc.quant.calibration.ranges import Ranges
from fpc.quant.calibration.statistics import collect
from fpc.quant.scheme import TFLITE_INT8, TFLITE_INT16
from tests.unit.quant.networks import numpy_runner


@pytest.mark.parametrize(
    ("low", "high", "scale", "zero_point"),
    [
        (-1.0, 1.55, 2.55 / 255, -28),
        (0.0, 5.1, 5.1 / 255, -128),
        (-5.1, 0.0, 5.1 / 255, 127),
        (1.0, 2.55, 2.55 / 255, -128),
        (-2.55, -1.0, 2.55 / 255, 127),
    ],
)
def test_int8_spans_the_range_and_zero(low, high, scale, zero_point):
    params = TFLITE_INT8.activation_params(low, high)
    assert params == QuantParams.per_tensor(scale, zero_point)


def test_int16_is_symmetric():
    assert TFLITE_INT16.activation_params(-3.0, 1.0) == QuantParams.per_tensor(3.0 / 32767, 0)
    assert TFLITE_INT16.representable(QuantParams.per_tensor(0.5, 0)) == (-32767 / 2, 32767 / 2)


@pytest.mark.parametrize("scheme", [TFLITE_INT8, TFLITE_INT16])
@pytest.mark.parametrize("span", [(0.0, 0.0), (0.0, 1e-45), (-1e-44, 0.0)])
def test_a_range_that_is_a_point_has_a_normal_scale(scheme, span):
    params = scheme.activation_params(*span)
    assert np.finfo(np.float32).tiny < params.scale < 1.0


def test_zero_is_exact_and_the_ends_are_reached_to_half_a_step():
    rng = np.random.default_rng(3)
    for low, high in np.sort(rng.normal(0.0, 10.0, (200, 2)), axis=1):
        params = TFLITE_INT8.activation_params(low, high)
        assert -128 <= params.zero_point <= 127
        reached = TFLITE_INT8.representable(params)
        wanted = min(low, 0.0), max(high, 0.0)
        assert np.allclose(reached, wanted, rtol=0.0, atol=0.501 * params.scale)


def test_prescribed_results_are_those_of_the_tflite_specification():
    fixed = TFLITE_INT8.fixed_results
    assert fixed[ops.Sigmoid] == fixed[ops.Softmax] == QuantParams.per_tensor(1 / 256, -128)
    assert fixed[ops.Tanh] == QuantParams.per_tensor(1 / 128, 0)
    assert set(TFLITE_INT16.fixed_results.values()) == {QuantParams.per_tensor(1 / 32768, 0)}


def test_int16_leaves_out_what_tflite_has_in_int8_only():
    assert TFLITE_INT8.integer_ops - TFLITE_INT16.integer_ops == {
        ops.DepthToSpace,
        ops.PRelu,
        ops.HardSwish,
        ops.Gelu,
    }


def test_int16_ranges_have_headroom_up_to_where_values_are_clamped():
    """Of an input that showed [-4, 4], and of clamps of it at 0 and 6."""
    graph = Graph("headroom")
    x = graph.add_input("x", f32(1, 2, 2, 2))
    ramp = np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 2, 2, 2)
    values = [x, graph.add(ops.Relu(), x).output, graph.add(ops.Relu6(), x).output]
    graph.set_outputs(values)
    statistics = collect(graph, [(4 * ramp,)], numpy_runner)
    found = [Ranges(statistics, TFLITE_INT16, MinMax()).of(value) for value in values]
    assert found == [(-8, 8), (0, 8), (0, 6)]
    assert Ranges(statistics, TFLITE_INT8, MinMax()).of(x) == (-4, 4)
