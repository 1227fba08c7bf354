"""IR graphs written as ONNX compute in onnxruntime what they mean in the interpreter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import pytest

from fpc.backends.onnx.emit import NEWEST_OPSET, OLDEST_OPSET, emit
from fpc.backends.onnx.runner import onnxruntime_runner
from fpc.backends.onnx.table import RULES
from fpc.backends.onnx.writer import OnnxWriter
from fpc.diagnostics.errors import BackendError
from fpc.interp.executor import run
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Activation, Layout, Op
from fpc.ir.types import QuantParams, TensorType, f32
from fpc.zoo import catalog
from tests.backends.onnx.models import normal, run_onnxruntime

NHWC = Layout.NHWC
MAP = (1, 4, 6, 5)
LAST = (1, 6, 5, 4)


@dataclass(frozen=True)
class Case:
    """An operator on network inputs (shapes) and constants (arrays)."""

    op: Op
    operands: tuple[tuple[int, ...] | np.ndarray | None, ...]
    id: str
    positive: bool = False

    def graph(self) -> Graph:
        graph = Graph("case")
        values = []
        for index, operand in enumerate(self.operands):
            match operand:
                case None:
                    values.append(None)
                case tuple():
                    values.append(graph.add_input(f"x{index}", f32(*operand)))
                case _:
                    values.append(graph.constant(operand, f"c{index}"))
        graph.set_outputs(graph.add(self.op, *values, name="y").outputs)
        return graph

    def arrays(self) -> list[np.ndarray]:
        generator = np.random.default_rng(5)
        shapes = [shape for shape in self.operands if isinstance(shape, tuple)]
        arrays = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
        return [np.abs(array) + np.float32(0.1) for array in arrays] if self.positive else arrays


def pointwise(op: Op, *, positive: bool = False) -> Case:
    return Case(op, (MAP,), op.mnemonic, positive)


CASES = (
    Case(ops.Conv2d(pads=(1, 0, 1, 2)), (MAP, normal(6, 4, 3, 3), normal(6)), "conv2d"),
    Case(
        ops.Conv2d(strides=(2, 1), groups=2, activation=Activation.RELU6),
        (MAP, normal(6, 2, 3, 3), None),
        "conv2d-grouped",
    ),
    Case(
        ops.Conv2d(groups=4, activation=Activation.RELU_N1_TO_1, layout=NHWC),
        (LAST, normal(4, 3, 3, 1), normal(4)),
        "conv2d-depthwise-nhwc",
    ),
    Case(
        ops.Conv2d(layout=NHWC, dilations=(2, 1)),
        (LAST, normal(6, 2, 3, 4), normal(6)),
        "conv2d-nhwc",
    ),
    Case(
        ops.ConvTranspose2d(strides=(2, 2), pads=(1, 1, 0, 0), output_pads=(1, 0)),
        (MAP, normal(6, 4, 3, 3), normal(6)),
        "conv_transpose2d",
    ),
    Case(
        ops.ConvTranspose2d(strides=(2, 2), groups=2, activation=Activation.RELU),
        (MAP, normal(6, 2, 3, 3), normal(6)),
        "conv_transpose2d-grouped",
    ),
    Case(
        ops.ConvTranspose2d(strides=(2, 2), layout=NHWC),
        (LAST, normal(6, 3, 2, 4), None),
        "conv_transpose2d-nhwc",
    ),
    Case(
        ops.ConvTranspose2d(groups=2, layout=NHWC),
        (LAST, normal(6, 3, 2, 2), None),
        "conv_transpose2d-grouped-nhwc",
    ),
    Case(ops.Dense(), ((3, 5), normal(4, 5), normal(4)), "dense"),
    Case(ops.Dense(Activation.RELU), ((2, 3, 5), normal(4, 5), normal(4)), "dense-rank-3"),
    Case(ops.Dense(), ((3, 5), normal(4, 5)), "dense-no-bias"),
    Case(ops.Dense(), ((2, 5), (4, 5)), "dense-dynamic"),
    Case(ops.Dense(), ((5,), normal(4, 5)), "dense-vector"),
    Case(ops.MatMul(), ((2, 3, 5), (5, 4)), "matmul"),
    Case(
        ops.BatchNorm(1e-3), (MAP, normal(4), normal(4), normal(4), np.abs(normal(4))), "batch_norm"
    ),
    Case(
        ops.BatchNorm(1e-3, axis=3),
        (LAST, normal(4), normal(4), normal(4), np.abs(normal(4))),
        "batch_norm-nhwc",
    ),
    Case(ops.LocalResponseNorm(3, 0.1), (MAP,), "local_response_norm"),
    Case(ops.LocalResponseNorm(3, 0.1, layout=NHWC), (LAST,), "local_response_norm-nhwc"),
    Case(ops.MaxPool((2, 3), (2, 1), (1, 0, 0, 1), (1, 2)), (MAP,), "max_pool"),
    Case(ops.MaxPool((2, 2), layout=NHWC), (LAST,), "max_pool-nhwc"),
    Case(ops.AvgPool((3, 3), (2, 2), (1, 1, 1, 1)), (MAP,), "avg_pool"),
    Case(
        ops.AvgPool((3, 3), (2, 2), (1, 1, 1, 1), count_include_pad=True, layout=NHWC),
        (LAST,),
        "avg_pool-nhwc",
    ),
    Case(ops.GlobalAvgPool(), (MAP,), "global_avg_pool"),
    Case(ops.GlobalAvgPool(NHWC), (LAST,), "global_avg_pool-nhwc"),
    Case(ops.ReduceMean((1, 3)), (MAP,), "reduce_mean"),
    Case(ops.ReduceMean((2,), keep_dims=False), (MAP,), "reduce_mean-dropped"),
    pointwise(ops.Relu()),
    pointwise(ops.Relu6()),
    pointwise(ops.Clip(-0.5, 0.75)),
    Case(ops.Clip(None, 0.75), (MAP,), "clip-high"),
    pointwise(ops.LeakyRelu(0.2)),
    Case(ops.PRelu(), (MAP, normal(4, 1, 1)), "prelu"),
    pointwise(ops.Sigmoid()),
    pointwise(ops.HardSigmoid()),
    Case(ops.HardSigmoid(0.3, 0.4), (MAP,), "hard_sigmoid-parameters"),
    pointwise(ops.Silu()),
    pointwise(ops.HardSwish()),
    pointwise(ops.Tanh()),
    pointwise(ops.Gelu()),
    Case(ops.Gelu(approximate=True), (MAP,), "gelu-approximate"),
    *(
        Case(ops.Unary(function), (MAP,), f"unary-{function.value}", positive=True)
        for function in ops.Function
    ),
    Case(ops.Softmax(1), (MAP,), "softmax"),
    Case(ops.Add(Activation.RELU), (MAP, (1, 4, 1, 1)), "add"),
    Case(ops.Sub(), (MAP, normal(5)), "sub"),
    Case(ops.Mul(Activation.RELU6), (MAP, MAP), "mul"),
    Case(ops.Div(), (MAP, MAP), "div", positive=True),
    Case(ops.Maximum(), (MAP, MAP), "maximum"),
    Case(ops.Minimum(), (MAP, normal(1, 4, 1, 1)), "minimum"),
    Case(ops.Concat(1), (MAP, normal(1, 2, 6, 5), MAP), "concat"),
    Case(ops.Split(1, (1, 3)), (MAP,), "split"),
    Case(ops.Slice((0, 1, 0, 4), (1, 4, 6, 5), (1, 2, 1, 1)), (MAP,), "slice"),
    Case(ops.Slice((0,) * 4, MAP, (1,) * 4), (MAP,), "slice-nothing"),
    Case(ops.Pad((0, 0, 1, 2), (0, 1, 0, 3), 0.5), (MAP,), "pad"),
    Case(ops.Pad((0, 0, 1, 2), (0, 0, 0, 3), mode=ops.PadMode.REFLECT), (MAP,), "pad-reflect"),
    Case(ops.Pad((0, 0, 1, 2), (0, 0, 0, 3), mode=ops.PadMode.EDGE), (MAP,), "pad-edge"),
    Case(ops.Reshape((4, 30)), (MAP,), "reshape"),
    Case(ops.Transpose((0, 3, 1, 2)), (MAP,), "transpose"),
    *(
        Case(
            ops.Resize((12, 7), interpolation, coordinates),
            (MAP,),
            f"resize-{interpolation.value}-{coordinates.value}",
        )
        for interpolation in ops.Interpolation
        for coordinates in ops.Coordinates
    ),
    Case(ops.Resize((3, 3), layout=NHWC), (LAST,), "resize-nhwc"),
    Case(ops.DepthToSpace(2), (MAP,), "depth_to_space"),
    Case(
        ops.DepthToSpace(2, ops.DepthOrder.CRD, NHWC),
        (LAST,),
        "depth_to_space-nhwc",
    ),
    Case(ops.Cast(DType.I32), (MAP,), "cast"),
)


def test_every_operator_has_a_rule() -> None:
    assert set(RULES) == set(ops.ALL_OPS)


def test_every_operator_is_tried() -> None:
    converts = {ops.Quantize, ops.Dequantize, ops.Requantize}

    assert {type(case.op) for case in CASES} | converts == set(ops.ALL_OPS)


@pytest.mark.parametrize("opset", [OLDEST_OPSET, 17, NEWEST_OPSET])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_float_operator(case: Case, opset: int) -> None:
    graph, arrays = case.graph(), case.arrays()
    model = emit(graph, opset=opset)
    onnx.checker.check_model(model, full_check=True)

    for got, wanted in zip(run_onnxruntime(model, arrays), run(graph, arrays), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("opset", [OLDEST_OPSET - 1, NEWEST_OPSET + 1])
def test_other_opsets_are_refused(opset: int) -> None:
    with pytest.raises(BackendError, match="opset") as caught:
        emit(CASES[0].graph(), opset=opset)
    assert caught.value.code == "backend.onnx-opset"


def quantised(*shape: int, scale: float = 0.02, zero: int = 3, dtype: DType = DType.I8):
    return TensorType(dtype, shape, QuantParams.per_tensor(scale, zero))


def integer_conv(layout: Layout, dtype: DType = DType.I8, weight_dtype: DType = DType.I8) -> Graph:
    graph = Graph("integer")
    zero = 3 if dtype is DType.I8 else 0
    shape = MAP if layout is Layout.NCHW else LAST
    x = graph.add_input("x", quantised(*shape, zero=zero, dtype=dtype))
    limit = weight_dtype.maximum
    scales = tuple((np.linspace(0.127, 2.54, 6) / limit).tolist())
    weight = np.random.default_rng(0).integers(-limit, limit + 1, layout.shape(6, 4, 3, 3))
    w = graph.constant(weight.astype(weight_dtype.numpy), "w", QuantParams.per_axis(scales, 0))
    bias_params = QuantParams.per_axis(tuple(0.02 * scale for scale in scales), 0)
    bias = np.arange(-300, 300, 100).astype(np.int32 if dtype is DType.I8 else np.int64)
    b = graph.constant(bias, "b", bias_params)
    result = QuantParams.per_tensor(0.05, -20 if dtype is DType.I8 else 0)
    op = ops.Conv2d(pads=(1, 1, 1, 1), activation=Activation.RELU6, layout=layout)
    graph.set_outputs(graph.add(op, x, w, b, name="y", quant=result).outputs)
    return graph


@pytest.mark.parametrize("layout", list(Layout))
def test_integer_convolution(layout: Layout) -> None:
    graph = integer_conv(layout)
    x = np.random.default_rng(1).integers(-128, 128, graph.inputs[0].type.shape).astype(np.int8)

    got = onnxruntime_runner(graph)([x])[0]

    assert got.dtype == np.int8
    wanted = run(graph, [x])[0]
    assert np.abs(got.astype(int) - wanted.astype(int)).max() <= 1
    assert (got == wanted).mean() > 0.99


@pytest.mark.parametrize(
    ("zero_point", "scale", "clamps"),
    [(-128, 6 / 255, []), (-128, 3 / 255, []), (-128, 9 / 255, ["Clip"]), (-20, 0.05, ["Clip"])],
)
def test_clamp_that_saturation_does_is_left_out(
    zero_point: int, scale: float, clamps: list[str]
) -> None:
    graph = integer_conv(Layout.NCHW)
    node = graph.nodes[0]
    node.outputs[0].type = node.outputs[0].type.with_quant(
        QuantParams.per_tensor(scale, zero_point)
    )
    x = np.random.default_rng(1).integers(-128, 128, MAP).astype(np.int8)

    model = emit(graph)

    assert [n.op_type for n in model.graph.node if n.op_type in ("Clip", "Relu")] == clamps
    got, wanted = run_onnxruntime(model, [x])[0], run(graph, [x])[0]
    assert np.abs(got.astype(int) - wanted.astype(int)).max() <= 1


def test_sixteen_bit_activations_need_opset_21() -> None:
    graph = integer_conv(Layout.NCHW, DType.I16)
    x = np.random.default_rng(1).integers(-3000, 3000, MAP).astype(np.int16)

    got = run_onnxruntime(emit(graph), [x])[0]

    assert np.abs(got.astype(int) - run(graph, [x])[0].astype(int)).max() <= 1
    with pytest.raises(BackendError) as caught:
        emit(graph, opset=17)
    assert caught.value.code == "backend.onnx-opset"


@pytest.mark.parametrize("layout", list(Layout))
def test_wide_weights_stay_wide_in_an_optimising_runtime(layout: Layout) -> None:
    graph = integer_conv(layout, DType.I16, DType.I16)
    x = np.random.default_rng(1).integers(-3000, 3000, graph.inputs[0].type.shape).astype(np.int16)

    got = onnxruntime_runner(graph)([x])[0]  # it makes bytes of real weights beside integers

    wanted = run(graph, [x])[0]
    assert np.abs(got.astype(int) - wanted.astype(int)).max() <= 1
    stored = {tensor.name: tensor.data_type for tensor in emit(graph).graph.initializer}
    assert stored["w"] == onnx.TensorProto.INT16
    assert stored["b"] == onnx.TensorProto.INT32


@pytest.mark.parametrize("scales", [(2.0**-40,), (2.0**-40, 2.0**-31, 2.0**-33)])
def test_biases_beyond_32_bits(scales: tuple[float, ...]) -> None:
    graph = Graph("beyond")
    reals = np.array([5.0, -2.0, 1.25])
    x = graph.add_input("x", TensorType(DType.I16, (1, 2), QuantParams.per_tensor(2.0**-15)))
    axis = None if len(scales) == 1 else 0
    weight_params, bias_params = (
        QuantParams(tuple(scale / step for scale in scales), (0,) * len(scales), axis)
        for step in (2.0**-15, 1.0)
    )
    w = graph.constant(np.array([[1, 2], [3, 4], [5, 6]], np.int16), "w", weight_params)
    b = graph.constant((reals / np.array(scales)).astype(np.int64), "b", bias_params)
    result = QuantParams.per_tensor(2.0**-10)
    graph.set_outputs(graph.add(ops.Dense(), x, w, b, name="y", quant=result).outputs)
    zeros = np.zeros((1, 2), np.int16)

    got = onnxruntime_runner(graph)([zeros])[0]

    np.testing.assert_array_equal(got, [reals / 2.0**-10])
    np.testing.assert_array_equal(got, run(graph, [zeros])[0])


def test_weights_stay_integers() -> None:
    model = emit(integer_conv(Layout.NCHW))

    stored = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert stored["w"] == onnx.TensorProto.INT8
    assert stored["b"] == onnx.TensorProto.INT32
    weight = next(node for node in model.graph.node if node.input[0] == "w")
    assert weight.op_type == "DequantizeLinear"
    assert {a.name: a.i for a in weight.attribute} == {"axis": 0}


def test_changes_of_representation() -> None:
    graph = Graph("edges")
    x = graph.add_input("x", f32(1, 8))
    byte = graph.add(ops.Quantize(DType.U8), x, quant=QuantParams.per_tensor(0.03, 128)).output
    fine = graph.add(ops.Requantize(), byte, quant=QuantParams.per_tensor(0.01, -5)).output
    real = graph.add(ops.Dequantize(), fine, name="real").output
    graph.set_outputs([byte, real, x, real])
    array = np.linspace(-5.0, 5.0, 8, dtype=np.float32).reshape(1, 8)

    model = emit(graph, output_names=["bytes", "reals", "same", "again"])
    results = run_onnxruntime(model, [array])

    assert [value.name for value in model.graph.output] == ["bytes", "reals", "same", "again"]
    assert results[0].dtype == np.uint8
    for got, wanted in zip(results, run(graph, [array]), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_int32_activations_are_refused() -> None:
    graph = Graph("wide")
    x = graph.add_input("x", f32(1, 8))
    wide = graph.add(ops.Quantize(DType.I32), x, quant=QuantParams.per_tensor(0.03)).output
    graph.set_outputs([wide])

    with pytest.raises(BackendError) as caught:
        emit(graph)
    assert caught.value.code == "backend.onnx-dtype"


def test_names_of_inputs_and_outputs() -> None:
    graph = CASES[0].graph()

    model = emit(graph, input_names=["input:0"], output_names=["out/put"])

    assert [value.name for value in model.graph.input] == ["input:0"]
    assert [value.name for value in model.graph.output] == ["out/put"]
    onnx.checker.check_model(model, full_check=True)


def test_shared_constants_are_stored_once() -> None:
    graph = Graph("shared")
    x = graph.add_input("x", f32(*MAP))
    w = graph.constant(normal(4, 4, 1, 1), "w")
    first = graph.add(ops.Conv2d(), x, w).output
    graph.set_outputs(graph.add(ops.Conv2d(), first, w).outputs)

    assert [tensor.name for tensor in emit(graph).graph.initializer] == ["w"]


def test_every_node_has_a_name_of_its_own() -> None:
    graph = catalog.build("mobilenet_v3_small", seed=0)
    names = [node.name for node in emit(graph).graph.node]
    assert names[:3] == ["conv2d", "batch_norm", "hard_swish"]
    assert len(set(names)) == len(names)


def test_numbered_names_do_not_meet_names_with_numbers() -> None:
    writer = OnnxWriter(17)
    hints = ["relu6", "relu6", "relu6_1", "relu6_3", "relu6", "relu6"]
    names = [writer.fresh_node_name(hint) for hint in hints]
    assert names == ["relu6", "relu6_1", "relu6_1_1", "relu6_3", "relu6_2", "relu6_4"]
