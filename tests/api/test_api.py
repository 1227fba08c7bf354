"""fpc as a library: graphs for graphs, ONNX for ONNX, samples as any iterable."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest

import fpc
from fpc.driver.phases.lower import set_layout
from fpc.ir import ops
from fpc.ir.types import f32
from fpc.ir.verifier import verify
from tests.cli.digits import (
    CALIBRATION,
    MODEL,
    TEST,
    TfLiteFile,
    float_logits,
    normalised,
    onnx_outputs,
    pixels,
    same_class_percent,
    sqnr_db,
)

FEW = 60
GREY = fpc.Preprocessing(mean=(127.5,), std=(127.5,))


@pytest.fixture(scope="module")
def graph() -> fpc.Graph:
    return fpc.load(MODEL)


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """24 calibration samples, float32 NCHW."""
    return normalised(np.load(CALIBRATION)["images"][:24])


@pytest.fixture(scope="module")
def qdq(samples) -> onnx.ModelProto:
    return fpc.optimize(onnx.load(MODEL), precision="int8", calibration=samples)


def run(model: onnx.ModelProto) -> np.ndarray:
    return onnx_outputs(model.SerializeToString(), normalised(pixels()[:FEW]))


def test_load_takes_paths_bytes_and_models(graph):
    content = MODEL.read_bytes()
    for source in (str(MODEL), content, onnx.load(MODEL)):
        assert fpc.load(source).to_text() == graph.to_text()


def test_graph_for_a_graph(graph):
    before = graph.to_text()
    optimised = fpc.optimize(graph)
    assert isinstance(optimised, fpc.Graph)
    assert len(optimised) < len(graph)
    assert graph.to_text() == before
    verify(optimised)


@pytest.mark.parametrize("source", [MODEL, str(MODEL), MODEL.read_bytes()], ids=type)
def test_onnx_for_onnx(source):
    optimised = fpc.optimize(source)
    assert isinstance(optimised, onnx.ModelProto)
    onnx.checker.check_model(optimised, full_check=True)
    assert [value.name for value in optimised.graph.input] == ["image"]
    assert [value.name for value in optimised.graph.output] == ["logits"]
    assert "BatchNormalization" not in {node.op_type for node in optimised.graph.node}
    assert np.abs(run(optimised) - float_logits()[:FEW]).max() < 1e-5


def test_own_pipeline_does_what_it_names_and_no_more():
    folded = fpc.optimize(onnx.load(MODEL), pipeline="fold-batch-norm", verify=True)
    operators = Counter(node.op_type for node in folded.graph.node)
    assert operators["BatchNormalization"] == 0
    assert operators["HardSigmoid"] == 3
    assert np.abs(run(folded) - float_logits()[:FEW]).max() < 1e-4


def test_qdq_model_stands_where_the_float_one_stood(qdq):
    """Its inputs and outputs are those of the model, in float32."""
    onnx.checker.check_model(qdq, full_check=True)
    kinds = [value.type.tensor_type.elem_type for value in (*qdq.graph.input, *qdq.graph.output)]
    assert kinds == [onnx.TensorProto.FLOAT] * 2
    operators = Counter(node.op_type for node in qdq.graph.node)
    assert operators["QuantizeLinear"] > 30
    assert operators["DequantizeLinear"] > 30
    outputs = run(qdq)
    assert same_class_percent(outputs) == 100.0
    assert sqnr_db(float_logits()[:FEW], outputs) > 25.0


def test_qdq_model_of_16_bits(samples):
    outputs = run(fpc.optimize(onnx.load(MODEL), precision="int16", calibration=samples))
    assert same_class_percent(outputs) == 100.0


def _output_scale(model: onnx.ModelProto) -> float:
    last = model.graph.node[-1]
    assert last.op_type == "DequantizeLinear"
    (scale,) = (tensor for tensor in model.graph.initializer if tensor.name == last.input[1])
    return onnx.numpy_helper.to_array(scale).item()


def test_quantised_model_is_not_quantised_twice(qdq, samples):
    again = fpc.optimize(qdq, precision="int8", calibration=samples)
    steps = np.abs(run(qdq) - run(again)).max() / _output_scale(qdq)
    assert steps <= 2.0
    with pytest.raises(fpc.FpcError, match="quantised-already"):
        fpc.quantize(fpc.load(qdq), samples)


def test_integer_graph_for_a_graph(graph, samples):
    integer = fpc.optimize(graph, precision="int8", calibration=samples)
    assert isinstance(integer, fpc.Graph)
    verify(integer)
    assert str(integer.inputs[0].type.dtype.value) == "i8"


def test_quantize_says_how_good_the_result_is(graph, samples):
    stages: list[str] = []
    quantised = fpc.quantize(
        graph, samples, recipe="min-max", progress=lambda stage, done, total: stages.append(stage)
    )
    verify(quantised.graph)
    assert quantised.part.quality.verdict == "excellent"
    assert quantised.part.calibration_samples == len(samples)
    assert stages


@pytest.mark.parametrize("backend", [None, "tvm"])
def test_quantize_makes_the_graph_that_compile_makes(graph, samples, backend):
    """The back end decides about the weights of 16 bits."""
    options = {"precision": "int16", "backend": backend, "target": "host", "recipe": "min-max"}
    quantised = fpc.quantize(graph, samples, **options)
    fewest, most = quantised.part.weight_bits
    assert fewest > 8 if backend == "tvm" else most == 8
    compiled = fpc.compile(graph, calibration=samples, **options)
    lowered = quantised.graph.clone()
    set_layout(lowered, "nhwc")
    assert lowered.to_text() == compiled.graph.to_text()


def _generator(samples):
    yield from samples


@pytest.mark.parametrize(
    "form",
    [
        _generator,
        lambda samples: ((sample,) for sample in samples),
        lambda samples: [[sample[None]] for sample in samples],
        list,
        np.asarray,
    ],
    ids=["generator", "generator of tuples", "list of lists", "list", "array"],
)
def test_samples_may_be_any_iterable(samples, form):
    compiled = fpc.compile(MODEL, precision="int8", calibration=form(samples), recipe="min-max")
    assert compiled.report.quantisation is not None
    assert compiled.report.quantisation.calibration_samples == len(samples)
    outputs = TfLiteFile(compiled.model).real(normalised(pixels()[:FEW]).transpose(0, 2, 3, 1))
    assert same_class_percent(outputs) == 100.0


def test_compile_does_what_the_command_does(tmp_path, samples):
    compiled = fpc.compile(
        MODEL,
        precision="int8",
        calibration=np.load(CALIBRATION)["images"][:24],
        evaluation=TEST,
        preprocessing=GREY,
        recipe="min-max",
        image_input=True,
        output_type="float32",
    )
    file = TfLiteFile(compiled.model)
    assert (file.input["dtype"], file.output["dtype"]) == (np.uint8, np.float32)
    assert same_class_percent(file.stored(pixels())) >= 98.0
    assert compiled.report.accuracy is not None
    assert compiled.report.accuracy.samples == 500
    compiled.write(tmp_path / "out")
    assert (tmp_path / "out" / "model.tflite").read_bytes() == compiled.model
    assert (tmp_path / "out" / "report.json").read_text() == compiled.report.to_json()


def test_compiling_a_graph_is_compiling_its_model(graph):
    assert fpc.compile(graph).graph.to_text() == fpc.compile(MODEL).graph.to_text()


def test_targets_are_found_by_name():
    assert fpc.load_target("rpi4-arm").name == "rpi4-arm"


MISTAKES = {
    "a file that is not there": (lambda: fpc.load("none.onnx"), "model.unreadable"),
    "an object that is no model": (lambda: fpc.load(3), "usage.model-type"),
    "an unknown precision": (lambda: fpc.compile(MODEL, precision="int4"), "usage.precision"),
    "an unknown target": (lambda: fpc.compile(MODEL, target="rpi"), "target.unknown"),
    "an unknown layout": (lambda: fpc.compile(MODEL, io_layout="chw"), "usage.io-layout"),
    "an unknown element type": (
        lambda: fpc.compile(MODEL, precision="int8", input_type="u8"),
        "usage.input-type",
    ),
    "an unknown pass": (lambda: fpc.optimize(MODEL, pipeline="fold"), "parse.pipeline"),
    "no samples": (
        lambda: fpc.compile(MODEL, precision="int8", calibration=iter([])),
        "usage.samples-empty",
    ),
    "samples that are none": (
        lambda: fpc.compile(MODEL, precision="int8", calibration=3),
        "usage.samples-format",
    ),
    "samples of words": (
        lambda: fpc.compile(MODEL, precision="int8", calibration=["a"]),
        "usage.samples-shape",
    ),
    "calibration of a float model": (
        lambda: fpc.compile(MODEL, calibration=CALIBRATION),
        "usage.needs-quantisation",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_raise_coded_errors(mistake):
    call, code = MISTAKES[mistake]
    with pytest.raises(fpc.FpcError) as raised:
        call()
    assert raised.value.code == code
    assert raised.value.help or code == "usage.samples-empty"


TYPED = """
from typing import assert_type
import onnx
import fpc
from fpc.driver.phases.quantise import Quantised

graph: fpc.Graph = fpc.load("model.onnx")
assert_type(fpc.optimize(graph, precision="int8"), fpc.Graph)
assert_type(fpc.optimize("model.onnx"), onnx.ModelProto)
assert_type(fpc.optimize(onnx.ModelProto()), onnx.ModelProto)
assert_type(fpc.quantize(graph), Quantised)
assert_type(fpc.compile(b"", precision="int16"), fpc.Compiled)
fpc.compile("model.onnx", precision="int4")  # wrong
fpc.compile("model.onnx", io_layout="chw")  # wrong
"""


def test_types_tell_what_comes_back(tmp_path):
    import json
    import subprocess
    import sys

    root = Path(__file__).parents[2]
    (tmp_path / "use.py").write_text(TYPED)
    settings = {"typeCheckingMode": "basic", "extraPaths": [str(root)], "include": ["use.py"]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "basedpyright", "--outputjson"),
            *("--pythonpath", sys.executable, "--project", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [d for d in json.loads(done.stdout)["generalDiagnostics"] if d["severity"] == "error"]
    lines = TYPED.splitlines()
    wrong = {number for number, line in enumerate(lines) if line.endswith("# wrong")}
    assert {error["range"]["start"]["line"] for error in errors} == wrong, errors


@pytest.mark.parametrize("target", ["host", "rpi4-arm", "fpga"])
def test_a_network_that_computes_nothing_compiles(target):
    graph = fpc.Graph("joined")
    parts = [graph.add_input(name, f32(1, 4, 8, 8)) for name in ("a", "b")]
    graph.set_outputs([graph.add(ops.Concat(1), *parts).output])
    random = np.random.default_rng(0)
    pairs = [[random.normal(size=(1, 4, 8, 8)).astype(np.float32)] * 2 for _ in range(20)]
    compiled = fpc.compile(graph, target=target, precision="int8", calibration=pairs)
    assert compiled.report.quantisation.quality.verdict == "excellent"
    assert compiled.report.quantisation.layers == ()
