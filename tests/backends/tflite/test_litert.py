"""Running files with LiteRT: details, placement, errors, silence."""

import numpy as np
import pytest

from fpc.backends.tflite import emit
from fpc.diagnostics.errors import MeasureError
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.types import QuantParams, TensorType, f32
from fpc.measure.litert.model import Kernel, LiteRtModel, TensorInfo
from tests.backends.tflite.integer_cases import cases
from tests.backends.tflite.test_float import CASES as FLOAT_CASES

QUANT = QuantParams.per_tensor(0.05, -5)
INT8_CASES = cases(DType.I8)
INT16_CASES = cases(DType.I16)


def three_ops() -> Graph:
    """int8: an addition, a standalone ReLU, another addition."""
    graph = Graph()
    x = graph.add_input("x", TensorType(DType.I8, (1, 4), QUANT))
    first = graph.add(ops.Add(), x, x, name="first", quant=QuantParams.per_tensor(0.1))
    middle = graph.add(
        ops.Relu(), first.output, name="middle", quant=QuantParams.per_tensor(0.05, -128)
    )
    last = graph.add(ops.Add(), middle.output, x, name="last", quant=QuantParams.per_tensor(0.1))
    graph.set_outputs(last.outputs)
    return graph


def test_inputs_and_outputs_are_described() -> None:
    model = LiteRtModel(emit(three_ops()))
    assert model.inputs == (
        TensorInfo("x", (1, 4), np.dtype(np.int8), float(np.float32(0.05)), -5),
    )
    assert model.outputs == (
        TensorInfo("last", (1, 4), np.dtype(np.int8), float(np.float32(0.1)), 0),
    )
    graph = Graph()
    graph.set_outputs(graph.add(ops.Relu(), graph.add_input("x", f32(2, 3))).outputs)
    assert LiteRtModel(emit(graph)).inputs == (TensorInfo("x", (2, 3), np.dtype(np.float32)),)


def test_inputs_and_outputs_keep_the_graphs_order() -> None:
    graph = Graph()
    second = graph.add_input("b", f32(2))
    first = graph.add_input("a", f32(2))
    difference = graph.add(ops.Sub(), first, second, name="z")
    total = graph.add(ops.Add(), first, second, name="y")
    graph.set_outputs([total.output, difference.output])
    model = LiteRtModel(emit(graph))
    b, a = np.array([1, 2], np.float32), np.array([30, 40], np.float32)
    y, z = model([b, a])
    np.testing.assert_array_equal(y, a + b)
    np.testing.assert_array_equal(z, a - b)


def test_scalars_go_in_and_out() -> None:
    graph = Graph()
    x, y = graph.add_input("x", f32()), graph.add_input("y", f32())
    graph.set_outputs(graph.add(ops.Add(), x, y).outputs)
    [total] = LiteRtModel(emit(graph))([np.array(1.5, np.float32), np.array(2.0, np.float32)])
    assert total.shape == ()
    assert total == 3.5


def test_results_are_not_overwritten_by_the_next_run() -> None:
    graph = Graph()
    graph.set_outputs(graph.add(ops.Relu(), graph.add_input("x", f32(2))).outputs)
    model = LiteRtModel(emit(graph))
    [first] = model([np.array([1, 2], np.float32)])
    model([np.array([3, 4], np.float32)])
    np.testing.assert_array_equal(first, [1, 2])


def test_placement_says_what_xnnpack_leaves_out() -> None:
    placement = LiteRtModel(emit(three_ops())).placement
    assert placement.partitions == 2
    assert placement.delegated == (Kernel("ADD", "first"), Kernel("ADD", "last"))
    assert placement.outside == (Kernel("RELU", "middle"),)
    for kernels in ("reference", "no-delegate"):
        placement = LiteRtModel(emit(three_ops()), kernels=kernels).placement
        assert placement.partitions == 0
        assert len(placement.outside) == 3


# What XNNPACK leaves to LiteRT, among the single-op files of the lowering tests. A row that changes
# with a new LiteRT changes what a target should prefer.
LEFT_OUT_INT8 = {
    "matmul", "max pool padded", "avg pool", "avg pool same", "avg pool counting padding", "relu",
    "relu6", "clip", "clip rescaled", "clip -1 1", "softmax", "prelu", "hard swish", "gelu",
    "gelu tanh", "maximum", "minimum", "pad value", "pad reflect", "pad edge",
    "nearest", "nearest gathered", "to uint8", "from uint8", "to int16", "from int16",
}  # fmt: skip
LEFT_OUT_FLOAT = {
    "lrn", "max pool padded", "pad value", "pad reflect", "pad edge", "nearest asymmetric",
    "nearest half pixel", "nearest corners", "nearest many times", "nearest by another mode",
    "nearest gathered", "conv computed weights", "prelu computed", "reshape to a scalar",
}  # fmt: skip


def left_out(graph: Graph) -> bool:
    return bool(LiteRtModel(emit(graph)).placement.outside)


def test_what_leaves_the_xnnpack_partition() -> None:
    assert {name for name, case in INT8_CASES.items() if left_out(case.graph)} == LEFT_OUT_INT8
    assert {name for name, case in FLOAT_CASES.items() if left_out(case.graph)} == LEFT_OUT_FLOAT
    assert all(
        not LiteRtModel(emit(case.graph)).placement.delegated for case in INT16_CASES.values()
    )


def test_timing_gives_one_number_a_run() -> None:
    timings = LiteRtModel(emit(three_ops())).time_ms(5)
    assert len(timings) == 5
    assert all(0 < milliseconds < 1000 for milliseconds in timings)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\0\0\0\0TFL3" + b"\xff" * 100])
def test_a_broken_file_is_a_coded_error(content: bytes) -> None:
    with pytest.raises(MeasureError) as caught:
        LiteRtModel(content)
    assert caught.value.code == "measure.litert-load"
    assert caught.value.notes


def test_an_absent_file_is_a_coded_error(tmp_path) -> None:
    with pytest.raises(MeasureError) as caught:
        LiteRtModel(tmp_path / "absent.tflite")
    assert caught.value.code == "measure.unreadable"


def test_wrong_inputs_are_coded_errors() -> None:
    model = LiteRtModel(emit(three_ops()))
    for inputs in (
        [],
        [np.zeros((1, 4), np.float32)],
        [np.zeros((4, 1), np.int8)],
        [np.zeros((1, 4), np.int8)] * 2,
    ):
        with pytest.raises(MeasureError) as caught:
            model(inputs)
        assert caught.value.code == "measure.litert-inputs"


def test_litert_writes_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    LiteRtModel(emit(three_ops()))
    with pytest.raises(MeasureError):
        LiteRtModel(b"\0" * 100)
    assert capfd.readouterr() == ("", "")
