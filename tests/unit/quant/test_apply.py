"""Integer graphs made by `apply_plan`: sound IR, and near the float graph when LiteRT runs them."""

import numpy as np
import pytest

from fpc.diagnostics.location import Location
from fpc.driver.phases.lower import tflite_runner
from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Activation
from fpc.ir.types import f32
from fpc.ir.verifier import verify
from fpc.quant.apply import apply_plan
from fpc.quant.calibration.observers import MinMax
from fpc.quant.calibration.statistics import collect
from fpc.quant.plan import make_plan
from fpc.quant.scheme import TFLITE_INT8, TFLITE_INT16

SHAPE = (1, 8, 10, 12)


def rng():
    return np.random.default_rng(0)


def constant(graph, *shape, scale=1.0, name="c"):
    return graph.constant((rng().normal(size=shape) * scale).astype(np.float32), name)


def samples_of(graph, count=6):
    source = np.random.default_rng(1)
    return [
        tuple(source.normal(size=v.type.shape).astype(np.float32) for v in graph.inputs)
        for _ in range(count)
    ]


def planned(graph, scheme=TFLITE_INT8, samples=None):
    samples = samples or samples_of(graph)
    statistics = collect(graph, samples, lambda g: lambda xs: run(g, list(xs)))
    return make_plan(graph, statistics, scheme, MinMax())


def quantised(graph, scheme=TFLITE_INT8, **options):
    integer = apply_plan(graph, planned(graph, scheme), scheme, **options)
    verify(integer)
    return integer


def sqnr_db(graph, integer):
    """The least SQNR of an output, the integer graph run by LiteRT."""
    run_integer = tflite_runner(integer)
    signal, noise = np.zeros(len(graph.outputs)), np.zeros(len(graph.outputs))
    for sample in samples_of(graph):
        pairs = zip(run(graph, list(sample)), run_integer(sample), strict=True)
        for index, (wanted, got) in enumerate(pairs):
            signal[index] += np.square(wanted.astype(np.float64)).sum()
            noise[index] += np.square(wanted.astype(np.float64) - got).sum()
    return float((10 * np.log10(signal / noise)).min())


def conv(graph, x):
    weight = constant(graph, 8, 8, 3, 3, scale=0.2, name="w")
    bias = constant(graph, 8, name="b")
    return graph.add(ops.Conv2d(pads=(1, 1, 1, 1)), x, weight, bias, name="conv").output


def depthwise(graph, x):
    op = ops.Conv2d((2, 2), (1, 1, 1, 1), groups=8, activation=Activation.RELU6)
    return graph.add(op, x, constant(graph, 8, 1, 3, 3, name="w"), name="y").output


def transposed(graph, x):
    op = ops.ConvTranspose2d((2, 2), (0, 0, 0, 0))
    bias = constant(graph, 5, name="b")
    return graph.add(op, x, constant(graph, 5, 8, 2, 2, name="w"), bias, name="y").output


def dense_of_rank_3(graph, x):
    rows = graph.add(ops.Reshape((1, 80, 12)), x).output
    bias = constant(graph, 7, name="b")
    return graph.add(ops.Dense(), rows, constant(graph, 7, 12, name="w"), bias, name="y").output


def matmul_by_constant(graph, x):
    rows = graph.add(ops.Reshape((1, 80, 12)), x).output
    return graph.add(ops.MatMul(), rows, constant(graph, 1, 12, 6), name="y").output


def matmul_of_activations(graph, x):
    rows = graph.add(ops.Reshape((1, 80, 12)), x).output
    columns = graph.add(ops.Transpose((0, 2, 1)), rows).output
    return graph.add(ops.MatMul(), rows, columns, name="y").output


def residual(graph, x):
    return graph.add(ops.Add(Activation.RELU), conv(graph, x), x, name="y").output


def add_constant(graph, x):
    return graph.add(ops.Add(), x, constant(graph, 1, 8, 1, 1), name="y").output


def parametric_relu(graph, x):
    return graph.add(ops.PRelu(), x, constant(graph, 8, 1, 1, scale=0.2), name="y").output


def squeeze_and_excite(graph, x):
    mean = graph.add(ops.GlobalAvgPool(), x).output
    hidden = graph.add(ops.Conv2d(), mean, constant(graph, 8, 8, 1, 1, name="w")).output
    gate = graph.add(ops.Sigmoid(), hidden).output
    return graph.add(ops.Mul(), x, gate, name="y").output


def gated_concat(graph, x):
    gate = graph.add(ops.Sigmoid(), x, name="gate").output
    joined = graph.add(ops.Concat(1), conv(graph, x), gate).output
    return graph.add(ops.Conv2d(), joined, constant(graph, 4, 16, 1, 1, name="w2"), name="y").output


def island(graph, x):
    exp = graph.add(ops.Unary(ops.Function.EXP), conv(graph, x), name="exp").output
    return graph.add(
        ops.Conv2d(), exp, constant(graph, 4, 8, 1, 1, scale=0.1, name="w2"), name="y"
    ).output


def hard_swish(graph, x):
    return graph.add(ops.HardSwish(), conv(graph, x), name="y").output


def read_past_the_clamp(graph, x):
    y = conv(graph, x)
    return graph.add(ops.Concat(1), y, graph.add(ops.Relu6(), y).output, name="y").output


CASES = (
    (conv, 32.0),
    (depthwise, 32.0),
    (transposed, 32.0),
    (dense_of_rank_3, 32.0),
    (matmul_by_constant, 32.0),
    (matmul_of_activations, 32.0),
    (residual, 32.0),
    (add_constant, 36.0),
    (parametric_relu, 34.0),
    (squeeze_and_excite, 34.0),
    (gated_concat, 32.0),
    (island, 24.0),
    (hard_swish, 32.0),
    (read_past_the_clamp, 32.0),
)


@pytest.mark.parametrize(("build", "least_db"), CASES, ids=[build.__name__ for build, _ in CASES])
def test_int8_is_near_float_in_litert(build, least_db):
    graph = Graph()
    graph.set_outputs([build(graph, graph.add_input("x", f32(*SHAPE)))])
    integer = quantised(graph)
    assert [value.type.dtype for value in (*integer.inputs, *integer.outputs)] == [DType.I8] * 2
    assert sqnr_db(graph, integer) > least_db


@pytest.mark.parametrize("build", [conv, depthwise, dense_of_rank_3, residual, add_constant])
def test_int16_activations_leave_only_the_weights_error(build):
    graph = Graph()
    graph.set_outputs([build(graph, graph.add_input("x", f32(*SHAPE)))])
    integer = quantised(graph, TFLITE_INT16)
    assert integer.inputs[0].type.dtype is DType.I16
    assert integer.inputs[0].type.quantisation.zero_point == 0
    assert sqnr_db(graph, integer) > sqnr_db(graph, quantised(graph)) + 2.0


def test_values_and_nodes_keep_their_names_and_locations():
    graph = Graph()
    x = graph.add_input("image", f32(*SHAPE))
    y = conv(graph, x)
    named = graph.add(ops.LeakyRelu(), y, name="leaky", location=Location.of("Leaky_7")).output
    graph.set_outputs([named])
    integer = quantised(graph)
    assert [value.name for value in integer.values()] == ["image", "w", "b", "conv", "leaky"]
    assert integer.find("leaky").location == Location.of("Leaky_7")


def test_a_vanished_clamp_leaves_its_name_and_nothing_else():
    graph = Graph()
    y = conv(graph, graph.add_input("x", f32(*SHAPE)))
    graph.set_outputs([graph.add(ops.Relu(), y, name="relu").output])
    integer = quantised(graph)
    assert [node.op.mnemonic for node in integer] == ["conv2d"]
    assert integer.outputs[0].name == "relu"
    assert sqnr_db(graph, integer) > 32.0


def test_a_clamp_that_stays_is_a_requantisation():
    graph = Graph()
    y = conv(graph, graph.add_input("x", f32(*SHAPE)))
    relu = graph.add(ops.Relu6(), y, name="relu").output
    graph.set_outputs([y, relu])
    integer = quantised(graph)
    assert [node.op.mnemonic for node in integer] == ["conv2d", "requantize"]
    assert sqnr_db(graph, integer) > 32.0


def test_a_float_island_is_entered_and_left_once():
    graph = Graph()
    x = graph.add_input("x", f32(*SHAPE))
    y = conv(graph, x)
    first = graph.add(ops.Unary(ops.Function.EXP), y).output
    second = graph.add(ops.Unary(ops.Function.ABS), y).output
    joined = graph.add(ops.Add(), first, second, name="sum").output
    weight = constant(graph, 4, 8, 1, 1, scale=0.1, name="w2")
    branches = [graph.add(ops.Conv2d(), joined, weight).output for _ in range(2)]
    graph.set_outputs([*branches, joined])
    integer = quantised(graph)
    counts = [node.op.mnemonic for node in integer]
    assert counts.count("dequantize") == counts.count("quantize") == 1
    assert integer.outputs[2].type.dtype is DType.F32


def test_an_input_only_float_nodes_read_stays_float():
    graph = Graph()
    x = graph.add_input("x", f32(1, 4))
    graph.set_outputs([graph.add(ops.Unary(ops.Function.EXP), x).output])
    integer = quantised(graph)
    assert [node.op.mnemonic for node in integer] == ["unary"]
    assert integer.inputs[0].type == f32(1, 4)


def test_given_integers_and_biases_are_used():
    graph = Graph()
    x = graph.add_input("x", f32(*SHAPE))
    weight = constant(graph, 8, 8, 1, 1, name="w")
    node = graph.add(ops.Conv2d(), x, weight, name="y")
    graph.set_outputs([node.output])
    rounded = np.clip(np.arange(64) - 32, -127, 127).astype(np.int8).reshape(8, 8, 1, 1)
    bias = np.linspace(-1.0, 1.0, 8)
    plan = planned(graph)
    integer = apply_plan(graph, plan, TFLITE_INT8, weights={weight: rounded}, biases={node: bias})
    verify(integer)
    made = next(iter(integer))
    np.testing.assert_array_equal(made.input(1).data, rounded)
    offset = made.input(2)
    scales = np.array(offset.type.quantisation.scales)
    np.testing.assert_allclose(offset.data * scales, bias, atol=scales.max())


def test_integers_of_a_type_of_their_own_pass_through():
    graph = Graph()
    x = graph.add_input("x", f32(*SHAPE))
    cast = graph.add(ops.Cast(DType.I64), conv(graph, x), name="cast").output
    graph.set_outputs([graph.add(ops.Slice((0,) * 4, SHAPE, (1, 1, 2, 2)), cast).output])
    integer = quantised(graph)
    assert [node.op.mnemonic for node in integer] == ["conv2d", "dequantize", "cast", "slice"]
