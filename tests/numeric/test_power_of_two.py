"""Numerics `pow2` against plain Python integers, and against LiteRT where the two must agree."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from fpc.diagnostics.errors import QuantError
from fpc.driver.phases.lower import emit_tflite, run_file, set_layout
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.interp.power_of_two.pooling import reciprocal
from fpc.interp.power_of_two.table import POWER_OF_TWO_RULES
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Activation, Layout, Quantisation
from fpc.ir.types import QuantParams, TensorType
from fpc.quant.planning.power_of_two import POWER_OF_TWO_INT8

EVERY = np.arange(-128, 128).astype(np.int8)


def i8(exponent, *shape):
    return TensorType(DType.I8, shape, QuantParams.per_tensor(2.0**exponent))


def rounded(real, result, low=None, high=None):
    """The int8 nearest to an exact real in units of 2**result, halves up, clamped."""
    step, half = Fraction(2) ** result, Fraction(1, 2)
    lowest = -128 if low is None else max(-128, floor(low / step + half))
    highest = 127 if high is None else min(127, floor(high / step + half))
    return max(lowest, min(floor(real / step + half), highest))


def computed(op, arrays, exponents, result, constants=(), bias=None):
    """The result of one node under `pow2`, and the graph."""
    graph = Graph()
    operands = []
    for index, (array, exponent) in enumerate(zip(arrays, exponents, strict=True)):
        if index in constants:
            quant = QuantParams.per_tensor(2.0**exponent)
            operands.append(graph.constant(array, f"c{index}", quant))
        else:
            operands.append(graph.add_input(f"x{index}", i8(exponent, *array.shape)))
    if bias is not None:
        quant = QuantParams.per_tensor(2.0 ** sum(exponents))
        operands.append(graph.constant(bias, "bias", quant))
    node = graph.add(op, *operands, quant=QuantParams.per_tensor(2.0**result))
    graph.set_outputs([node.output])
    inputs = [array for index, array in enumerate(arrays) if index not in constants]
    return run(graph, inputs, Numerics.POW2)[0], graph, inputs


def reals(array, exponent):
    return [int(value) * Fraction(2) ** exponent for value in array.ravel()]


@pytest.mark.parametrize(("source", "result"), [(-4, -2), (-4, -6), (0, 3), (-7, 0)])
def test_requantise_and_relus(source, result):
    for op, low, high in [
        (ops.Requantize(DType.I8), None, None),
        (ops.Relu(), 0, None),
        (ops.Relu6(), 0, 6),
        (ops.Clip(-1.0, 1.0), -1, 1),
    ]:
        got, _, _ = computed(op, [EVERY], [source], result)
        assert got.tolist() == [rounded(x, result, low, high) for x in reals(EVERY, source)]


@pytest.mark.parametrize("exponents", [(-4, -4, -4), (-7, -2, -3), (-3, -6, -1), (0, -3, 2)])
@pytest.mark.parametrize("activation", [Activation.NONE, Activation.RELU])
def test_add(exponents, activation):
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (2, 500)).astype(np.int8)
    got, _, _ = computed(ops.Add(activation), [a, b], exponents[:2], exponents[2])
    sums = [x + y for x, y in zip(reals(a, exponents[0]), reals(b, exponents[1]), strict=True)]
    low = 0 if activation is Activation.RELU else None
    assert got.tolist() == [rounded(total, exponents[2], low) for total in sums]


def test_mul():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (2, 500)).astype(np.int8)
    got, _, _ = computed(ops.Mul(), [a, b], (-5, -6), -4)
    pairs = zip(reals(a, -5), reals(b, -6), strict=True)
    assert got.tolist() == [rounded(x * y, -4) for x, y in pairs]


@pytest.mark.parametrize(("source", "result"), [(-4, -7), (-4, -4), (-5, -5), (1, -6)])
def test_hard_sigmoid_and_hard_swish(source, result):
    sixth = Fraction(2731, 2**14)
    gates = [min(max(x + 3, Fraction(0)), Fraction(6)) * sixth for x in reals(EVERY, source)]
    got, _, _ = computed(ops.HardSigmoid(), [EVERY], [source], result)
    assert got.tolist() == [rounded(gate, result) for gate in gates]
    held = [rounded(gate, -7) * Fraction(1, 2**7) for gate in gates]
    swish = [rounded(x * gate, result) for x, gate in zip(reals(EVERY, source), held, strict=True)]
    got, _, _ = computed(ops.HardSwish(), [EVERY], [source], result)
    assert got.tolist() == swish


def test_leaky_relu_has_a_slope_of_26_parts_of_256():
    got, _, _ = computed(ops.LeakyRelu(0.1), [EVERY], [-4], -5)
    wanted = [x if x >= 0 else x * Fraction(26, 256) for x in reals(EVERY, -4)]
    assert got.tolist() == [rounded(x, -5) for x in wanted]


def test_quantize_rounds_halves_up():
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.F32, (6,)))
    node = graph.add(ops.Quantize(DType.I8), x, quant=QuantParams.per_tensor(0.5))
    graph.set_outputs([node.output])
    inputs = np.array([0.25, -0.25, 0.75, -0.75, 1e9, np.nan], np.float32)
    assert run(graph, [inputs], Numerics.POW2)[0].tolist() == [1, 0, 2, -1, 127, 0]


@pytest.mark.parametrize(
    ("count", "factor"),
    [
        (4, Fraction(1, 4)),
        (9, Fraction(7, 64)),
        (49, Fraction(21, 1024)),
        (6, Fraction(85, 512)),
        (256, Fraction(1, 256)),
    ],
)
def test_averages_divide_by_a_fraction(count, factor):
    multiplier, bits = reciprocal(count)
    assert Fraction(multiplier, 2**bits) == factor
    assert abs(factor * count - 1) < 0.03


def test_average_pool_leaves_padding_out():
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (1, 2, 5, 5)).astype(np.int8)
    op = ops.AvgPool((3, 3), (1, 1), (1, 1, 1, 1))
    got, _, _ = computed(op, [x], [-4], -4)
    for channel, row, column in np.ndindex(2, 5, 5):
        window = x[0, channel, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        multiplier, bits = reciprocal(window.size)
        mean = int(window.sum(dtype=int)) * Fraction(multiplier, 2**bits) * Fraction(1, 16)
        assert got[0, channel, row, column] == rounded(mean, -4)


def test_global_average_and_mean():
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (1, 3, 7, 7)).astype(np.int8)
    sums = x.sum(axis=(0, 2, 3), dtype=int).tolist()
    wanted = [rounded(total * Fraction(21, 1024) * Fraction(1, 16), -6) for total in sums]
    for op in (ops.GlobalAvgPool(), ops.ReduceMean((2, 3))):
        got, _, _ = computed(op, [x], [-4], -6)
        assert got.ravel().tolist() == wanted


def convolved(x, w, bias, groups, stride):
    """Sums of a convolution padded by one, by loops over Python integers."""
    _, _, height, width = x.shape
    padded = np.pad(x.astype(int), ((0, 0), (0, 0), (1, 1), (1, 1)))
    inner, outer = w.shape[1], w.shape[0] // groups
    for o, row, column in np.ndindex(w.shape[0], -(-height // stride), -(-width // stride)):
        first = (o // outer) * inner
        window = padded[0, first : first + inner, row * stride :, column * stride :][:, :3, :3]
        yield (o, row, column), int((window * w[o].astype(int)).sum()) + int(bias[o])


@pytest.mark.parametrize("groups", [1, 6])
def test_convolutions(groups):
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (1, 6, 7, 7)).astype(np.int8)
    w = rng.integers(-127, 128, (6, 6 // groups, 3, 3)).astype(np.int8)
    bias = rng.integers(-5000, 5000, 6).astype(np.int32)
    op = ops.Conv2d((2, 2), (1, 1, 1, 1), groups=groups, activation=Activation.RELU6)
    got, _, _ = computed(op, [x, w], [-5, -7], -3, constants=(1,), bias=bias)
    for place, total in convolved(x, w, bias, groups, 2):
        assert got[(0, *place)] == rounded(total * Fraction(2) ** -12, -3, 0, 6)


def test_dense():
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (3, 40)).astype(np.int8)
    w = rng.integers(-127, 128, (9, 40)).astype(np.int8)
    bias = rng.integers(-5000, 5000, 9).astype(np.int32)
    got, _, _ = computed(ops.Dense(), [x, w], [-5, -7], -1, constants=(1,), bias=bias)
    for row, unit in np.ndindex(3, 9):
        total = int((x[row].astype(int) * w[unit].astype(int)).sum()) + int(bias[unit])
        assert got[row, unit] == rounded(total * Fraction(2) ** -12, -1)


def in_litert(graph, inputs):
    return run_file(emit_tflite(graph), inputs, "reference")[0]


def sums_of(shift):
    """A convolution whose sums are -1000 ... 999, shifted by `shift` places."""
    graph = Graph()
    wanted = np.arange(-1000, 1000)
    x = np.stack([wanted >> 4, wanted & 15], axis=-1).astype(np.int8).reshape(1, 1, 2000, 2)
    w = np.array([16, 1], np.int8)
    return graph, wanted, x, w


@pytest.mark.parametrize("shift", [1, 3, 6])
def test_litert_differs_from_a_convolution_at_ties_and_just_below_them(shift):
    graph, sums, x, w = sums_of(shift)
    source = graph.add_input("x", i8(-4, *x.shape))
    weight = graph.constant(w.reshape(1, 1, 1, 2), "w", QuantParams.per_tensor(2.0**-4))
    op = ops.Conv2d(layout=Layout.NHWC)
    node = graph.add(op, source, weight, quant=QuantParams.per_tensor(2.0 ** (shift - 8)))
    graph.set_outputs([node.output])
    ours = run(graph, [x], Numerics.POW2)[0].ravel().astype(int)
    theirs = in_litert(graph, [x]).ravel().astype(int)
    assert ours.tolist() == np.clip((sums + 2 ** (shift - 1)) >> shift, -128, 127).tolist()
    half, rest = 2 ** (shift - 1), sums % 2**shift
    inside = np.abs(ours) < 127
    apart = inside & (ours != theirs)
    assert set(rest[apart]) <= {half, half - 1}
    assert (sums[apart & (rest == half)] < 0).all()
    assert np.abs(ours - theirs)[inside].max(initial=0) <= 1
    if shift > 1:
        assert (apart & (rest == half - 1)).any()


def test_litert_differs_from_a_dense_layer_at_negative_ties_only():
    shift = 3
    graph, sums, x, w = sums_of(shift)
    source = graph.add_input("x", i8(-4, 2000, 2))
    weight = graph.constant(w.reshape(1, 2), "w", QuantParams.per_tensor(2.0**-4))
    node = graph.add(ops.Dense(), source, weight, quant=QuantParams.per_tensor(2.0**-5))
    graph.set_outputs([node.output])
    inputs = [x.reshape(2000, 2)]
    ours = run(graph, inputs, Numerics.POW2)[0].ravel().astype(int)
    theirs = in_litert(graph, inputs).ravel().astype(int)
    tie = (sums % 8 == 4) & (sums < 0) & (np.abs(ours) < 127)
    assert np.array_equal(ours != theirs, tie)
    assert (ours - theirs)[tie].tolist() == [1] * int(tie.sum())


def test_litert_adds_alike_but_for_ties():
    a, b = (grid.astype(np.int8).ravel() for grid in np.meshgrid(EVERY, EVERY))
    ours, graph, inputs = computed(ops.Add(), [a, b], (-4, -5), -3)
    total = 2 * a.astype(int) + b
    apart = ours != in_litert(graph, inputs)
    assert set(total[apart] % 4) == {2}
    assert (total[apart] < 0).all()


def test_every_op_of_the_scheme_has_a_meaning():
    conversions = {ops.Quantize, ops.Dequantize, ops.Requantize, ops.Cast}
    assert set(POWER_OF_TWO_RULES) == POWER_OF_TWO_INT8.integer_ops | conversions | {
        ops.HardSigmoid
    }


def test_moved_values_are_not_touched():
    x = EVERY.reshape(1, 2, 8, 16)
    op = ops.MaxPool((1, 1))
    assert op.quantisation is Quantisation.SAME
    got, graph, inputs = computed(op, [x], [-3], -3)
    assert np.array_equal(got, x)
    set_layout(graph, "nchw")
    assert np.array_equal(in_litert(graph, inputs), x)


@pytest.mark.parametrize("params", [QuantParams.per_tensor(0.3), QuantParams.per_tensor(0.5, 3)])
def test_other_scales_have_no_meaning(params):
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.I8, (4,), params))
    graph.set_outputs([graph.add(ops.Relu(), x, quant=params).output])
    with pytest.raises(QuantError, match="not quantised by one power of two"):
        run(graph, [np.zeros(4, np.int8)], Numerics.POW2)


def test_ops_without_a_meaning_are_errors():
    graph = Graph()
    x = graph.add_input("x", i8(-4, 4))
    sigmoid = graph.add(ops.Sigmoid(), x, quant=QuantParams.per_tensor(1 / 256, -128))
    graph.set_outputs([sigmoid.output])
    with pytest.raises(QuantError, match="under pow2"):
        run(graph, [np.zeros(4, np.int8)], Numerics.POW2)
