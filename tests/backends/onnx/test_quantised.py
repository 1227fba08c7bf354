"""Models that somebody else quantised stay integer, and compute what onnxruntime computes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from fpc.backends.onnx.emit import emit
from fpc.diagnostics.errors import ModelError
from fpc.frontends.onnx import load
from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.constant import Array
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import TensorType
from tests.backends.onnx.models import integers, model_of, normal, run_onnxruntime

SHAPE = (1, 3, 12, 12)


class RandomImages(CalibrationDataReader):
    def __init__(self) -> None:
        self.samples: Iterator[dict[str, Array]] = iter(
            [{"x": normal(*SHAPE, seed=seed)} for seed in range(4)]
        )

    def get_next(self) -> dict[str, Array] | None:
        return next(self.samples, None)


def network() -> onnx.ModelProto:
    stored = [
        numpy_helper.from_array(array, name)
        for name, array in {
            "w1": normal(8, 3, 3, 3) * 0.3,
            "b1": normal(8) * 0.1,
            "w2": normal(8, 1, 3, 3, seed=4) * 0.5,
            "w3": normal(8, 8, 1, 1, seed=5) * 0.3,
            "b3": normal(8, seed=6) * 0.1,
            "w4": normal(16, 10, seed=7) * 0.3,
            "b4": normal(10, seed=8),
            "flat": integers(1, -1),
        }.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["a1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["a2"], group=8, pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["a2", "low", "high"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3", "b3"], ["a3"]),
        helper.make_node("Add", ["r1", "a3"], ["s"]),
        helper.make_node("Concat", ["s", "r2"], ["c"], axis=1),
        helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("AveragePool", ["p"], ["g"], kernel_shape=[3, 3]),
        helper.make_node("Reshape", ["g", "flat"], ["f"]),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["y"]),
    ]
    stored += [
        numpy_helper.from_array(np.array(bound, np.float32), name)
        for name, bound in (("low", 0.0), ("high", 6.0))
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)
    return model_of(nodes, [x], ["y"], stored)


@pytest.fixture
def quantise(tmp_path: Path):
    def make(fmt: QuantFormat, activations: QuantType, weights: QuantType, per_channel: bool):
        source, target = tmp_path / "float.onnx", tmp_path / "integer.onnx"
        onnx.save(network(), source)
        logging.disable(logging.WARNING)
        try:
            quantize_static(
                source,
                target,
                RandomImages(),
                quant_format=fmt,
                activation_type=activations,
                weight_type=weights,
                per_channel=per_channel,
            )
        finally:
            logging.disable(logging.NOTSET)
        return onnx.load(target)

    return make


def as_integers(array: Array, kind: TensorType) -> Array:
    quant = kind.quantisation
    steps = np.rint(array / np.float32(quant.scale)) + quant.zero_point
    return np.clip(steps, kind.dtype.minimum, kind.dtype.maximum).astype(kind.dtype.numpy)


def as_reals(array: Array, kind: TensorType) -> Array:
    quant = kind.quantisation
    return (array.astype(np.float64) - quant.zero_point) * quant.scale


def sqnr_db(reference: Array, test: Array) -> float:
    noise = np.square(reference.astype(np.float64) - test).sum()
    return 10.0 * float(np.log10(np.square(reference.astype(np.float64)).sum() / noise))


@pytest.mark.parametrize("fmt", list(QuantFormat), ids=str)
@pytest.mark.parametrize(
    ("activations", "weights", "per_channel"),
    [
        (QuantType.QUInt8, QuantType.QInt8, True),
        (QuantType.QInt8, QuantType.QInt8, True),
        (QuantType.QUInt8, QuantType.QInt8, False),
        (QuantType.QUInt8, QuantType.QUInt8, False),
    ],
    ids=str,
)
def test_network_stays_integer(
    quantise: Any,
    fmt: QuantFormat,
    activations: QuantType,
    weights: QuantType,
    per_channel: bool,
) -> None:
    model = quantise(fmt, activations, weights, per_channel)

    imported = load(model)

    graph = imported.graph
    (x,), (y,) = graph.inputs, graph.outputs
    assert x.type.dtype is DType.I8
    assert y.type.dtype is DType.I8
    assert all(node.outputs[0].type.is_quantised for node in graph)
    assert not list(graph.nodes_of(ops.Quantize))
    assert not list(graph.nodes_of(ops.Relu))
    image = normal(*SHAPE, seed=99)
    got = as_reals(run(graph, [as_integers(image, x.type)])[0], y.type)
    assert sqnr_db(run_onnxruntime(model, [image])[0], got) > 30.0


def test_wide_weights_beside_bytes_are_rounded_anew(quantise: Any) -> None:
    model = quantise(QuantFormat.QDQ, QuantType.QInt8, QuantType.QInt16, True)

    imported = load(model)

    (x,), (y,) = imported.graph.inputs, imported.graph.outputs
    image = normal(*SHAPE, seed=99)
    got = as_reals(run(imported.graph, [as_integers(image, x.type)])[0], y.type)
    assert sqnr_db(run_onnxruntime(model, [image])[0], got) > 30.0
    note = "weights of 16 bits, rounded to 8 as activations are (4): w1_DequantizeLinear_Output"
    assert any(told.startswith(note) for told in imported.notes)


@pytest.mark.parametrize("weights", [QuantType.QInt8, QuantType.QInt16], ids=str)
def test_network_of_sixteen_bits(quantise: Any, weights: QuantType) -> None:
    model = quantise(QuantFormat.QDQ, QuantType.QInt16, weights, True)

    graph = load(model).graph

    (x,), (y,) = graph.inputs, graph.outputs
    assert x.type.dtype is y.type.dtype is DType.I16
    image = normal(*SHAPE, seed=99)
    got = as_reals(run(graph, [as_integers(image, x.type)])[0], y.type)
    assert sqnr_db(run_onnxruntime(model, [image])[0], got) > 80.0


@pytest.mark.parametrize("dtype", [QuantType.QInt8, QuantType.QInt16], ids=str)
def test_weights_are_kept_bit_for_bit(quantise: Any, dtype: QuantType) -> None:
    model = quantise(QuantFormat.QDQ, dtype, dtype, True)
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}

    graph = load(model).graph

    convolutions = [node.input(1) for node in graph.nodes_of(ops.Conv2d)]
    for value, name in zip(convolutions, ("w1", "w2", "w3"), strict=True):
        np.testing.assert_array_equal(value.data, stored[f"{name}_quantized"])
        scales = value.type.quantisation.scales
        np.testing.assert_array_equal(np.array(scales, np.float32), stored[f"{name}_scale"])
    dense = next(iter(graph.nodes_of(ops.Dense))).input(1)
    np.testing.assert_array_equal(dense.data, stored["w4_quantized"].T)


@pytest.mark.parametrize("dtype", [QuantType.QInt8, QuantType.QInt16], ids=str)
def test_what_fpc_writes_it_reads_back(quantise: Any, dtype: QuantType) -> None:
    graph = load(quantise(QuantFormat.QDQ, dtype, dtype, True)).graph
    integers_in = as_integers(normal(*SHAPE, seed=99), graph.inputs[0].type)

    again = load(emit(graph)).graph

    assert str(again.inputs[0].type) == str(graph.inputs[0].type)
    assert again.inputs[0].type.quant == graph.inputs[0].type.quant
    first, second = run(graph, [integers_in])[0], run(again, [integers_in])[0]
    assert np.abs(first.astype(int) - second.astype(int)).max() <= 1


def qdq_model(op_type: str, zero: int = 128, **attributes: Any) -> onnx.ModelProto:
    stored = [
        numpy_helper.from_array(np.array(0.05, np.float32), "s"),
        numpy_helper.from_array(np.array(zero, np.uint8), "z"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node(op_type, ["xd"], ["yd"], name="the_node", **attributes),
        helper.make_node("QuantizeLinear", ["yd", "s", "z"], ["yq"]),
        helper.make_node("DequantizeLinear", ["yq", "s", "z"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)
    return model_of(nodes, [x], ["y"], stored, opset=18)


def test_what_has_no_integer_form_stays_float_and_is_named() -> None:
    imported = load(qdq_model("Erf"))

    assert [node.op.mnemonic for node in imported.graph] == ["unary"]
    assert imported.graph.outputs[0].type.dtype is DType.F32
    assert "nodes of the quantised model that stay float (1): the_node" in imported.notes


@pytest.mark.parametrize("op_type", ["Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Relu"])
def test_activation_between_passages(op_type: str) -> None:
    model = qdq_model(op_type)
    graph = load(model).graph
    image = 2.0 * normal(*SHAPE, seed=9)

    (x,), (y,) = graph.inputs, graph.outputs
    got = as_reals(run(graph, [as_integers(image, x.type)])[0], y.type)

    assert all(node.outputs[0].type.is_quantised for node in graph)
    wanted = run_onnxruntime(model, [image])[0]
    assert np.abs(got - wanted).max() <= 0.05 + 1e-6  # one step of the model's results


def test_uint8_edges_become_int8() -> None:
    stored = [
        numpy_helper.from_array(np.array(0.05, np.float32), "s"),
        numpy_helper.from_array(np.array(120, np.uint8), "z"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["xd"]),
        helper.make_node("MaxPool", ["xd"], ["yd"], kernel_shape=[2, 2]),
        helper.make_node("QuantizeLinear", ["yd", "s", "z"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, SHAPE)
    model = model_of(nodes, [x], ["y"], stored)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8
    image = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)

    imported = load(model)

    assert imported.graph.inputs[0].type.quantisation.zero_points == (-8,)
    assert "input 'x' is uint8 in the model and int8, 128 lower, in fpc" in imported.notes
    got = run(imported.graph, [(image.astype(int) - 128).astype(np.int8)])[0]
    np.testing.assert_array_equal(got.astype(int) + 128, run_onnxruntime(model, [image])[0])


def test_weights_quantised_along_their_inputs_are_quantised_anew() -> None:
    model = qdq_model("Conv")
    weight = np.random.default_rng(0).integers(-127, 128, (3, 3, 1, 1)).astype(np.int8)
    scales = np.array([0.01, 0.02, 0.03], np.float32)
    model.graph.initializer.extend(
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(scales, "ws")]
    )
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", ["w", "ws"], ["wd"], axis=1))
    next(node for node in model.graph.node if node.op_type == "Conv").input.append("wd")
    image = normal(*SHAPE, seed=9)

    graph = load(model).graph

    (node,) = graph.nodes
    assert node.input(1).type.quantisation.axis == 0
    got = as_reals(run(graph, [as_integers(image, graph.inputs[0].type)])[0], node.output.type)
    assert np.abs(got - run_onnxruntime(model, [image])[0]).max() <= 0.15


def test_scales_that_do_not_fit_the_weights() -> None:
    stored = [
        numpy_helper.from_array(np.ones((1, 3, 1, 1), np.int8), "w"),
        numpy_helper.from_array(np.full(7, 0.1, np.float32), "s"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["wd"], axis=0),
        helper.make_node("Conv", ["x", "wd"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)

    with pytest.raises(ModelError, match="7 quantisation scales for 1 channels") as caught:
        load(model_of(nodes, [x], ["y"], stored))
    assert caught.value.code == "model.bad-scale"


def test_quantised_weights_alone_leave_a_float_network() -> None:
    weight = np.random.default_rng(0).integers(-127, 128, (4, 3, 1, 1)).astype(np.int8)
    scales = np.linspace(0.01, 0.04, 4).astype(np.float32)
    stored = [
        numpy_helper.from_array(weight, "w"),
        numpy_helper.from_array(scales, "s"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["wd"], axis=0),
        helper.make_node("Conv", ["x", "wd"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)
    graph: Graph = load(model_of(nodes, [x], ["y"], stored)).graph

    (node,) = graph.nodes
    assert node.output.type.dtype is DType.F32
    np.testing.assert_array_equal(node.input(1).data, weight * scales.reshape(4, 1, 1, 1))
