"""Every op has a lowering, and a form TFLite lacks is refused with a reason and a remedy."""

from collections.abc import Callable

import numpy as np
import pytest

from fpc.backends.tflite.emitter import emit
from fpc.backends.tflite.lowering.table import LOWERINGS
from fpc.diagnostics.errors import BackendError, UnsupportedOpError
from fpc.diagnostics.location import Location
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Layout, Op
from fpc.ir.types import QuantParams, TensorType, f32
from tests.backends.tflite.graphs import float_graph, quantised_graph

NHWC = Layout.NHWC
INT8 = TensorType(DType.I8, (1, 8, 8, 4), QuantParams.per_tensor(0.03, -5))
INT16 = TensorType(DType.I16, (1, 8, 8, 4), QuantParams.per_tensor(0.001, 0))
OTHER = QuantParams.per_tensor(0.05, 3)


def test_every_op_has_a_lowering() -> None:
    assert set(LOWERINGS) == set(ops.ALL_OPS)


def int8(op: Op, operand: TensorType = INT8, result: QuantParams = OTHER) -> Graph:
    return quantised_graph(op, [operand], result)


def int16(op: Op) -> Graph:
    return quantised_graph(op, [INT16], INT16.quantisation)


def dequantised(dtype: DType) -> Graph:
    graph = Graph()
    x = graph.add_input("x", TensorType(dtype, (4,), QuantParams.per_tensor(0.05)))
    graph.set_outputs(graph.add(ops.Dequantize(), x, name="y").outputs)
    return graph


def half_precision() -> Graph:
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.F16, (4,)))
    graph.set_outputs(graph.add(ops.Relu(), x, name="y").outputs)
    return graph


UNEVEN_MEAN = ops.AvgPool((3, 3), (2, 2), (1, 1, 1, 1), layout=NHWC)
REFUSED: dict[str, tuple[Callable[[], Graph], str]] = {
    "dilated pool": (
        lambda: float_graph(ops.MaxPool((2, 2), dilations=(2, 2), layout=NHWC), (1, 8, 8, 4)),
        "no dilations",
    ),
    "uneven int8 mean": (lambda: int8(UNEVEN_MEAN, result=INT8.quantisation), "not TensorFlow's"),
    "computed depthwise weights": (
        lambda: float_graph(ops.Conv2d(groups=4, layout=NHWC), (1, 8, 8, 4), (4, 3, 3, 1)),
        "weights are computed",
    ),
    "erf": (lambda: float_graph(ops.Unary(ops.Function.ERF), (4,)), "no ERF operator"),
    "int8 exp": (lambda: int8(ops.Unary(ops.Function.EXP)), "no integer form of exp"),
    "int8 silu": (lambda: int8(ops.Silu()), "no integer kernel"),
    "int8 hard sigmoid": (lambda: int8(ops.HardSigmoid()), "no integer kernel"),
    "int8 sigmoid": (lambda: int8(ops.Sigmoid()), "LOGISTIC writes scale 0.00390625"),
    "int8 tanh": (lambda: int8(ops.Tanh()), "TANH writes scale 0.0078125"),
    "int8 softmax": (lambda: int8(ops.Softmax(3)), "SOFTMAX writes scale 0.00390625"),
    "int8 lrn": (lambda: int8(ops.LocalResponseNorm(layout=NHWC)), "no integer kernel"),
    "even lrn": (
        lambda: float_graph(ops.LocalResponseNorm(4, layout=NHWC), (1, 8, 8, 4)),
        "4 channels is even",
    ),
    "int8 div": (
        lambda: quantised_graph(ops.Div(), [INT8, INT8], OTHER),
        "does not take i8",
    ),
    "concat of two quantisations": (
        lambda: quantised_graph(
            ops.Concat(3), [INT8, TensorType(DType.I8, INT8.shape, OTHER)], OTHER
        ),
        "needs one quantisation",
    ),
    "int16 hard swish": (lambda: int16(ops.HardSwish()), "no 16-bit form"),
    "int16 gelu": (lambda: int16(ops.Gelu()), "no 16-bit form"),
    "int16 prelu": (
        lambda: quantised_graph(
            ops.PRelu(),
            [INT16, (np.ones((1, 1, 4), np.int16), QuantParams.per_tensor(0.1))],
            INT16.quantisation,
        ),
        "no 16-bit form",
    ),
    "int16 weights": (
        lambda: quantised_graph(
            ops.Dense(),
            [INT16, (np.ones((3, 4), np.int16), QuantParams.per_tensor(0.1))],
            INT16.quantisation,
        ),
        "weights are i16",
    ),
    "matmul of rank 6": (
        lambda: float_graph(ops.MatMul(), (1, 1, 1, 1, 2, 3), (1, 1, 1, 1, 3, 2)),
        "ranks up to 5",
    ),
    "mirrored pad of rank 6": (
        lambda: float_graph(
            ops.Pad((0,) * 6, (1,) * 6, mode=ops.PadMode.REFLECT), (2, 2, 2, 2, 2, 2)
        ),
        "ranks up to 5",
    ),
    "slice of rank 6": (
        lambda: float_graph(ops.Split(5, (1, 1)), (1, 1, 1, 1, 1, 2)),
        "ranks up to 5",
    ),
    "pad of rank 6": (
        lambda: float_graph(ops.Pad((0,) * 6, (1,) * 6), (1, 1, 1, 1, 1, 2)),
        "ranks up to 5",
    ),
    "uint8 from int16": (
        lambda: int16(ops.Requantize(DType.U8)),
        "does not turn i16 into u8",
    ),
    "float from int32": (lambda: dequantised(DType.I32), "does not take i32"),
    "half precision": (half_precision, "does not compute in it"),
    "transpose of rank 7": (
        lambda: float_graph(ops.Transpose((0, 2, 1, 3, 4, 6, 5)), (1,) * 7),
        "ranks up to 6",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_tflite_lacks_is_refused(name: str) -> None:
    build, reason = REFUSED[name]
    with pytest.raises(UnsupportedOpError) as caught:
        emit(build())
    assert caught.value.code == "model.unsupported-op"
    assert reason in caught.value.message
    assert "%y" in caught.value.message
    assert caught.value.help


def test_int8_batch_norm_is_refused() -> None:
    one = (np.ones(4, np.float32), None)
    graph = Graph()
    x = graph.add_input("x", INT8)
    parameters = [graph.constant(one[0]) for _ in range(4)]
    node = graph.add(ops.BatchNorm(axis=3), x, *parameters, quant=OTHER)
    graph.set_outputs(node.outputs)
    with pytest.raises(UnsupportedOpError, match="no integer kernel"):
        emit(graph)


def test_errors_name_the_users_node() -> None:
    graph = Graph()
    node = graph.add(
        ops.Unary(ops.Function.ERF),
        graph.add_input("x", f32(4)),
        location=Location.of("/encoder/Erf"),
    )
    graph.set_outputs(node.outputs)
    with pytest.raises(UnsupportedOpError) as caught:
        emit(graph)
    assert caught.value.location.names == ("/encoder/Erf",)


def test_nchw_is_refused() -> None:
    graph = float_graph(ops.GlobalAvgPool(), (1, 4, 8, 8))
    with pytest.raises(BackendError) as caught:
        emit(graph)
    assert caught.value.code == "backend.layout"
    assert "set-layout" in (caught.value.help or "")
