"""The bytes of a .tflite file: stable, aligned, and read back by the reader and by LiteRT."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpc.backends.tflite import emit, read
from fpc.backends.tflite.emitter import PROVENANCE_KEY, RUNTIME_KEY, lower
from fpc.backends.tflite.flatbuffer import serialise
from fpc.backends.tflite.model import Model, Operator, Options, Subgraph, Tensor
from fpc.diagnostics.errors import BackendError, ModelError
from fpc.ir import ops
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.op import Activation, Layout
from fpc.ir.types import QuantParams, TensorType, f32
from tests.backends.tflite.integer_cases import cases


def small_network(seed: int = 0) -> Graph:
    """int8: image, convolution, pool, classifier; the pooled features are an output too."""
    rng = np.random.default_rng(seed)
    graph = Graph("small")
    x = graph.add_input("image", TensorType(DType.I8, (1, 8, 8, 4), QuantParams.per_tensor(0.05)))

    def filters(*shape: int) -> object:
        scales = tuple(rng.uniform(0.001, 0.01, shape[0]).tolist())
        data = rng.integers(-127, 128, shape).astype(np.int8)
        return graph.constant(data, "weights", QuantParams.per_axis(scales, 0))

    conv = graph.add(
        ops.Conv2d(pads=(1, 1, 1, 1), activation=Activation.RELU6, layout=Layout.NHWC),
        x,
        filters(8, 3, 3, 4),
        name="conv",
        quant=QuantParams.per_tensor(6 / 255, -128),
    )
    pool = graph.add(
        ops.GlobalAvgPool(Layout.NHWC),
        conv.output,
        name="features",
        quant=QuantParams.per_tensor(0.01, -128),
    )
    flat = graph.add(ops.Reshape((1, 8)), pool.output)
    scores = graph.add(
        ops.Dense(), flat.output, filters(10, 8), name="scores", quant=QuantParams.per_tensor(0.1)
    )
    graph.set_outputs([scores.output, pool.output])
    return graph


def test_the_reader_finds_what_was_lowered() -> None:
    graph = small_network()
    written = lower(graph, provenance={"target": "rpi4-arm"})
    found = read(serialise(written))
    assert found.main.tensors == written.main.tensors
    assert found.main.inputs == written.main.inputs
    assert found.main.outputs == written.main.outputs
    assert found.signatures == written.signatures
    assert found.metadata == written.metadata
    assert found.description == "fpc"
    for ours, theirs in zip(written.main.operators, found.main.operators, strict=True):
        assert (ours.code, ours.version) == (theirs.code, theirs.version)
        assert (ours.inputs, ours.outputs) == (theirs.inputs, theirs.outputs)
        if ours.options is not None:
            assert theirs.options is not None
            assert ours.options.table == theirs.options.table
            assert ours.options.fields.items() <= theirs.options.fields.items()


@pytest.mark.parametrize("dtype", [DType.I8, DType.I16])
def test_reading_and_writing_again_changes_nothing(dtype: DType) -> None:
    for case in cases(dtype).values():
        content = emit(case.graph)
        model = read(content)
        assert read(serialise(model)) == model


def test_equal_graphs_give_equal_bytes() -> None:
    provenance = {"b": "2", "a": "1"}
    first = emit(small_network(), provenance=provenance)
    second = emit(small_network(), provenance=dict(reversed(provenance.items())))
    assert first == second
    assert first != emit(small_network(seed=1), provenance=provenance)


def test_the_identifier_and_the_alignment_of_buffers() -> None:
    content = emit(small_network())
    assert content[4:8] == b"TFL3"
    weights = [t.data for t in read(content).main.tensors if t.data and len(set(t.data)) > 16]
    assert weights
    for data in weights:
        assert content.index(data) % 16 == 0


def test_equal_constants_share_a_buffer() -> None:
    graph = Graph()
    data = np.random.default_rng(0).standard_normal((1, 4096)).astype(np.float32)
    value = graph.add_input("x", f32(1, 4096))
    for name in ("one", "two"):
        value = graph.add(ops.Add(), value, graph.constant(data.copy(), name)).output
    graph.set_outputs([value])
    content = emit(graph)
    assert len(content) < 1.5 * data.nbytes
    assert content.count(data.tobytes()) == 1


def test_provenance_and_runtime_version_are_metadata() -> None:
    metadata = read(emit(small_network(), provenance={"target": "host"})).metadata
    assert json.loads(metadata[PROVENANCE_KEY]) == {"target": "host"}
    assert len(metadata[RUNTIME_KEY]) == 16
    # FULLY_CONNECTED with a scale for every unit came with 2.17 (runtime_version.cc).
    assert metadata[RUNTIME_KEY].rstrip(b"\0") == b"2.17.0"
    assert PROVENANCE_KEY not in read(emit(small_network())).metadata


def test_the_signature_names_every_input_and_output() -> None:
    from ai_edge_litert.interpreter import Interpreter

    content = emit(small_network(), signature_key="classify")
    interpreter = Interpreter(model_content=content)
    assert interpreter.get_signature_list() == {
        "classify": {"inputs": ["image"], "outputs": ["features", "scores"]}
    }
    runner = interpreter.get_signature_runner("classify")
    image = np.random.default_rng(0).integers(-128, 128, (1, 8, 8, 4)).astype(np.int8)
    results = runner(image=image)
    assert results["scores"].shape == (1, 10)
    assert results["features"].shape == (1, 1, 1, 8)


def test_outputs_that_are_inputs_constants_or_repeated() -> None:
    from fpc.measure.litert.model import LiteRtModel

    graph = Graph()
    x = graph.add_input("x", f32(1, 4))
    constant = graph.constant(np.arange(4, dtype=np.float32))
    y = graph.add(ops.Add(), x, constant).output
    graph.set_outputs([x, y, constant, y])
    array = np.array([[1, -2, 3, 0.5]], np.float32)
    model = LiteRtModel(emit(graph))
    expected = (array, array + np.arange(4), np.arange(4), array + np.arange(4))
    for ours, theirs in zip(expected, model([array]), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len({info.name for info in model.outputs}) == 4


def test_pieces_nobody_reads_are_not_written() -> None:
    graph = Graph()
    split = graph.add(ops.Split(1, (1, 3)), graph.add_input("x", f32(1, 4)))
    graph.set_outputs([split.outputs[1]])
    assert len(lower(graph).main.operators) == 1


def test_too_large_a_model_is_refused() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 1 << 31

    tensor = Tensor("w", "int8", (1,), data=Huge())
    with pytest.raises(BackendError) as caught:
        serialise(Model((Subgraph("g", (tensor,), (), (), ()),)))
    assert caught.value.code == "backend.too-large"


def test_an_operator_the_schema_lacks_is_refused() -> None:
    operator = Operator("CUSTOM(Erf)", (), (), Options("AddOptions"))
    with pytest.raises(BackendError) as caught:
        serialise(Model((Subgraph("g", (), (operator,), (), ()),)))
    assert caught.value.code == "backend.unknown-operator"


def test_a_constant_is_an_array() -> None:
    graph = read(emit(small_network())).main
    [conv] = [operator for operator in graph.operators if operator.code == "CONV_2D"]
    _, weights, bias = graph.operands(conv)
    assert weights is not None
    assert bias is not None
    assert weights.array.shape == (8, 3, 3, 4)
    assert weights.array.dtype == np.int8
    assert bias.array.dtype == np.int32
    image = graph.tensors[graph.inputs[0]]
    with pytest.raises(ModelError, match="holds no data"):
        _ = image.array


def test_files_that_are_none(tmp_path: Path) -> None:
    for content in (b"", b"TFL3", b"\0" * 64, b"\0\0\0\0TFL3"):
        with pytest.raises(ModelError) as caught:
            read(content)
        assert caught.value.code == "model.broken-tflite"
    with pytest.raises(ModelError) as caught:
        read(tmp_path / "absent.tflite")
    assert caught.value.code == "model.unreadable"
    path = tmp_path / "small.tflite"
    path.write_bytes(emit(small_network()))
    assert read(path) == read(path.read_bytes())


def read_or_model_error(content: bytes) -> None:
    try:
        model = read(content)
    except ModelError:
        return
    assert model.subgraphs


INTACT = emit(small_network(), provenance={"target": "host"})


def test_truncated_files() -> None:
    for length in (*range(200), *range(200, len(INTACT), 41)):
        read_or_model_error(INTACT[:length])


def test_an_offset_to_itself_ends() -> None:
    for place in range(0, len(INTACT) - 4, 4):
        looped = INTACT[:place] + b"\0\0\0\0" + INTACT[place + 4 :]
        read_or_model_error(looped)


@settings(max_examples=300, deadline=2000)
@given(st.data())
def test_damaged_files(data: st.DataObject) -> None:
    content = bytearray(INTACT)
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    read_or_model_error(bytes(content))


@settings(max_examples=300, deadline=2000)
@given(st.integers(2, 400), st.integers(0, 2**32 - 1))
def test_damaged_offsets(word: int, value: int) -> None:
    content = bytearray(INTACT)
    place = min(4 * word, len(content) - 4)
    content[place : place + 4] = struct.pack("<I", value)
    read_or_model_error(bytes(content))
