"""Graphs that mix precisions: uint8 and float at the ends, float islands, 16-bit parts."""

import numpy as np
import pytest

from fpc.backends.tflite.emitter import emit, lower
from fpc.interp.executor import run
from fpc.interp.numerics import Numerics
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph, Value
from fpc.ir.op import Activation, Layout
from fpc.ir.types import QuantParams, TensorType, f32
from fpc.measure.litert.model import LiteRtModel
from tests.backends.tflite.graphs import random_inputs

IMAGE = (1, 8, 8, 4)
IN = QuantParams.per_tensor(0.02, -5)
OUT = QuantParams.per_tensor(0.1, 7)
PADDED_POOL = ops.AvgPool((3, 3), pads=(1, 1, 1, 1), layout=Layout.NHWC)


def body(graph: Graph, x: Value) -> Value:
    """An int8 network: a convolution and a mean."""
    rng = np.random.default_rng(3)
    scales = tuple(rng.uniform(0.002, 0.01, 8).tolist())
    data = rng.integers(-127, 128, (8, 3, 3, 4)).astype(np.int8)
    filters = graph.constant(data, "weights", QuantParams.per_axis(scales, 0))
    conv = graph.add(ops.Conv2d(pads=(1, 1, 1, 1), layout=Layout.NHWC), x, filters, quant=OUT)
    return graph.add(PADDED_POOL, conv.output, name="body").output


def shifted(quant: QuantParams) -> QuantParams:
    """The uint8 quantisation of the same reals."""
    return QuantParams.per_tensor(quant.scale, quant.zero_point + 128)


def int8_network() -> Graph:
    graph = Graph()
    x = graph.add_input("image", TensorType(DType.I8, IMAGE, IN))
    graph.set_outputs([body(graph, x)])
    return graph


def test_uint8_inputs_and_outputs_are_the_int8_ones_shifted() -> None:
    graph = Graph()
    image = graph.add_input("image", TensorType(DType.U8, IMAGE, shifted(IN)))
    x = graph.add(ops.Requantize(DType.I8), image, quant=IN)
    y = graph.add(ops.Requantize(DType.U8), body(graph, x.output), quant=shifted(OUT))
    graph.set_outputs(y.outputs)
    codes = [operator.code for operator in lower(graph).main.operators]
    assert codes == ["QUANTIZE", "CONV_2D", "AVERAGE_POOL_2D", "QUANTIZE"]

    [pixels] = random_inputs(graph)
    signed = (pixels.astype(np.int16) - 128).astype(np.int8)
    for kernels in ("default", "reference"):
        [unsigned_result] = LiteRtModel(emit(graph), kernels=kernels)([pixels])
        [signed_result] = LiteRtModel(emit(int8_network()), kernels=kernels)([signed])
        assert unsigned_result.dtype == np.uint8
        np.testing.assert_array_equal(unsigned_result, signed_result.astype(np.int16) + 128)


def test_images_scaled_otherwise_than_the_network_are_requantised() -> None:
    """Bytes 0 ... 255 for reals 0 ... 1, where the network takes another range."""
    graph = Graph()
    pixel = QuantParams.per_tensor(1 / 255)
    image = graph.add_input("image", TensorType(DType.U8, IMAGE, pixel))
    graph.set_outputs(graph.add(ops.Requantize(DType.I8), image, quant=IN).outputs)
    pixels = np.arange(256, dtype=np.uint8).reshape(IMAGE)
    [result] = LiteRtModel(emit(graph))([pixels])
    exact = pixels / np.float64(255) / IN.scale + IN.zero_point
    # QUANTIZE between integers rounds twice, the first time with more fraction bits.
    assert np.abs(result - np.clip(exact, -128, 127)).max() < 0.75


def test_float_inputs_and_outputs() -> None:
    graph = Graph()
    image = graph.add_input("image", f32(*IMAGE))
    x = graph.add(ops.Quantize(DType.I8), image, quant=IN)
    y = graph.add(ops.Dequantize(), body(graph, x.output))
    graph.set_outputs(y.outputs)
    [reals] = random_inputs(graph)
    integers = np.clip(np.rint(reals / np.float32(IN.scale)) + IN.zero_point, -128, 127)
    [result] = LiteRtModel(emit(graph))([reals])
    [expected] = LiteRtModel(emit(int8_network()))([integers.astype(np.int8)])
    steps = (expected.astype(np.float64) - OUT.zero_point) * OUT.scale
    assert np.abs(result - steps).max() <= OUT.scale * 1.01
    assert np.mean(np.abs(result - steps) > 1e-6) < 0.01


def test_a_float_island_in_an_int8_network() -> None:
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.I8, IMAGE, IN))
    reals = graph.add(ops.Dequantize(), body(graph, x))
    smooth = graph.add(ops.Silu(), reals.output)
    y = graph.add(ops.Quantize(DType.I8), smooth.output, quant=OUT)
    graph.set_outputs(y.outputs)
    inputs = random_inputs(graph)
    [expected] = run(graph, inputs, Numerics.TFLITE_XNNPACK)
    [result] = LiteRtModel(emit(graph))(inputs)
    assert np.abs(result.astype(int) - expected).max() <= 1
    assert np.mean(result != expected) < 0.01


@pytest.mark.parametrize("dtype", [DType.I32, DType.I64, DType.I8, DType.U8, DType.F16])
def test_casts_there_and_back(dtype: DType) -> None:
    graph = Graph()
    there = graph.add(ops.Cast(dtype), graph.add_input("x", f32(2, 3)))
    graph.set_outputs(graph.add(ops.Cast(DType.F32), there.output).outputs)
    array = np.array([[0, 1, 2], [100, 7, 3]], np.float32)
    [result] = LiteRtModel(emit(graph))([array])
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize("dtype", [DType.I32, DType.I64])
def test_plain_integers(dtype: DType) -> None:
    """Shape arithmetic that was not folded: integers that stand for themselves."""
    graph = Graph()
    x = graph.add_input("x", TensorType(dtype, (2, 3)))
    y = graph.add(ops.Mul(), graph.add(ops.Sub(), graph.add(ops.Add(), x, x).output, x).output, x)
    z = graph.add(ops.Transpose((1, 0)), graph.add(ops.Maximum(), y.output, x).output)
    graph.set_outputs(z.outputs)
    array = np.arange(-3, 3, dtype=dtype.numpy).reshape(2, 3)
    [result] = LiteRtModel(emit(graph))([array])
    np.testing.assert_array_equal(result, np.maximum(array * array, array).T)


def test_a_pool_after_relu_is_padded_with_zeros() -> None:
    """PAD is inside XNNPACK, PADV2 is not: zeros will do where nothing is negative."""
    graph = Graph()
    x = graph.add_input("x", f32(*IMAGE))
    conv = graph.add(ops.Add(Activation.RELU), x, x)
    for value in (conv.output, graph.add(ops.Relu6(), x).output):
        pool = ops.MaxPool((3, 3), (2, 2), (1, 1, 1, 1), layout=Layout.NHWC)
        graph.set_outputs([*graph.outputs, graph.add(pool, value).output])
    codes = [operator.code for operator in lower(graph).main.operators]
    assert codes.count("PAD") == 2
    assert "PADV2" not in codes
    inputs = random_inputs(graph)
    for ours, theirs in zip(run(graph, inputs), LiteRtModel(emit(graph))(inputs), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_sixteen_bits_between_eight() -> None:
    graph = Graph()
    fine = QuantParams.per_tensor(0.02 / 256)
    x = graph.add_input("x", TensorType(DType.I8, IMAGE, IN))
    wide = graph.add(ops.Requantize(DType.I16), x, quant=fine)
    total = graph.add(ops.Add(), wide.output, wide.output, quant=QuantParams.per_tensor(0.04 / 256))
    y = graph.add(ops.Requantize(DType.I8), total.output, quant=OUT)
    graph.set_outputs(y.outputs)
    inputs = random_inputs(graph)
    for kernels, numerics in (
        ("default", Numerics.TFLITE_XNNPACK),
        ("reference", Numerics.TFLITE_REFERENCE),
    ):
        [result] = LiteRtModel(emit(graph), kernels=kernels)(inputs)
        [expected] = run(graph, inputs, numerics)
        assert np.abs(result.astype(int) - expected).max() <= 1
