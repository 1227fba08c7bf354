"""Poor integer networks are refused and named; samples in every form; models that hold integers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import fpc as library
from fpc.backends.onnx.emit import emit_bytes
from fpc.ir.dtype import DType
from fpc.ir.graph import Graph
from fpc.ir.ops import GlobalAvgPool
from fpc.ir.types import QuantParams, TensorType
from tests.cli.digits import (
    CALIBRATED,
    CALIBRATION,
    MODEL,
    NORMALISED,
    TEST,
    TfLiteFile,
    labels,
    normalised,
    onnx_outputs,
    pixels,
    same_class_percent,
    sqnr_db,
)
from tests.cli.invoke import refuse, succeed

FEW = 60
MIN_MAX = ("--recipe", "min-max")


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Test images as files `CLASS_NUMBER.png`."""
    folder = tmp_path_factory.mktemp("images")
    for number, (image, label) in enumerate(zip(pixels()[:FEW], labels()[:FEW], strict=True)):
        Image.fromarray(image[..., 0]).save(folder / f"{label}_{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def nearly_black(tmp_path_factory):
    """Calibration samples a thousandth as bright as real ones: every range comes out wrong."""
    path = tmp_path_factory.mktemp("black") / "samples.npy"
    noise = np.random.default_rng(0).standard_normal((32, 1, 16, 16))
    np.save(path, (1e-3 * noise).astype(np.float32))
    return path


def test_poor_network_is_refused_and_its_layers_named(tmp_path, nearly_black):
    words = ("compile", MODEL, "--int8", "--calib", nearly_black, "--recipe", "entropy")
    message = refuse(1, "quant.degraded", *words, "-o", tmp_path / "out")
    assert "SQNR" in message
    assert "note: layer /features/features." in message
    assert "--allow-degraded" in message
    assert list(tmp_path.iterdir()) == []


def test_poor_network_is_accepted_on_request_and_says_so(tmp_path, nearly_black):
    words = ("compile", MODEL, "--int8", "--calib", nearly_black, "--recipe", "entropy")
    outcome = succeed(*words, "--allow-degraded", "-o", tmp_path / "out")
    assert "accepted by --allow-degraded" in outcome.err
    report = report_of(tmp_path / "out")
    assert report["quantisation"]["quality"]["verdict"] in ("degraded", "collapsed")
    assert any("accepted by --allow-degraded" in note for note in report["notes"])


def test_where_there_is_no_int16_training_is_the_next_step(tmp_path, nearly_black):
    words = ("compile", MODEL, "--int8", "--target", "fpga", "--calib", nearly_black)
    words += ("--recipe", "entropy")
    message = refuse(1, "quant.degraded", *words, "-o", tmp_path / "out")
    assert "note: layer /features/features." in message
    assert "no int16, so train the layers named above" in " ".join(message.split())
    assert "--int16 keeps" not in message
    succeed(*words, "--allow-degraded", "-o", tmp_path / "out")
    notes = report_of(tmp_path / "out")["notes"]
    assert any(note.startswith("layer /features/features.") for note in notes)
    assert any(note.startswith("to do better: ") for note in notes)


def test_accuracy_lost_on_evaluation_images_is_refused(tmp_path, nearly_black):
    words = ("compile", MODEL, "--int8", "--calib", nearly_black, *NORMALISED, *MIN_MAX)
    message = refuse(1, "quant.degraded", *words, "--eval", TEST, "-o", tmp_path / "out")
    assert "top-1 falls from 99.2 %" in message
    assert "--int16 keeps more precision" in message
    assert list(tmp_path.iterdir()) == []
    outcome = succeed(*words, "--eval", TEST, "--allow-degraded", "-o", tmp_path / "out")
    assert "accepted by --allow-degraded" in outcome.err
    outputs = TfLiteFile(tmp_path / "out" / "model.tflite").real(
        normalised(pixels()).transpose(0, 2, 3, 1)
    )
    assert same_class_percent(outputs) < 50.0


@pytest.mark.parametrize("asked", [("--int16",), ("--int8", "--target", "fpga")])
def test_int16_is_no_advice_where_it_is_taken_or_missing(tmp_path, nearly_black, asked):
    words = ("compile", MODEL, *asked, "--calib", nearly_black, *NORMALISED, *MIN_MAX)
    message = refuse(1, "quant.degraded", *words, "--eval", TEST, "-o", tmp_path / "out")
    assert "top-1 falls from 99.2 %" in message
    assert "--int16" not in message


def test_refusal_leaves_the_artifact_that_was_there(tmp_path, nearly_black):
    succeed("compile", MODEL, "-o", tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    words = ("compile", MODEL, "--int8", "--calib", nearly_black, "--recipe", "entropy")
    refuse(1, "quant.degraded", *words, "-o", tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_wrong_preprocessing_is_suspected_aloud(tmp_path, images):
    words = ("compile", MODEL, "--int8", "--calib", CALIBRATION, *MIN_MAX, "--eval", images)
    outcome = succeed(*words, "--allow-degraded", "-o", tmp_path / "out")
    accuracy = report_of(tmp_path / "out")["accuracy"]
    raw = pixels()[:FEW].astype(np.float32).transpose(0, 3, 1, 2)
    right = onnx_outputs(str(MODEL), raw).argmax(1) == labels()[:FEW]
    assert accuracy["float_top1"] == pytest.approx(100.0 * right.mean(), abs=0.1)
    assert "check --mean, --std, --scale and --channel-order" in outcome.err


def test_int8_without_data_is_close_and_says_what_it_is(tmp_path):
    outcome = succeed("compile", MODEL, "--int8", *NORMALISED, "-o", tmp_path / "out")
    assert "quantised without data" in outcome.err
    assert report_of(tmp_path / "out")["quantisation"]["calibration"].startswith("synthetic")
    file = TfLiteFile(tmp_path / "out" / "model.tflite")
    outputs = file.real(normalised(pixels()).transpose(0, 2, 3, 1))
    assert same_class_percent(outputs) >= 95.0


@pytest.mark.parametrize("form", ["folder", "pixels.npy", "reals.npy", "named.npz", "images.npz"])
def test_calibration_in_every_form_gives_one_network(tmp_path, images, compiled, form):
    """The same images, however they are stored, make the same file."""
    grey = pixels()[:FEW]
    order = np.argsort([f"{label}_{n:03}" for n, label in enumerate(labels()[:FEW])])
    grey = grey[order]
    path = images if form == "folder" else tmp_path / form
    match form:
        case "pixels.npy":
            np.save(path, grey)
        case "reals.npy":
            np.save(path, normalised(grey))
        case "named.npz":
            np.savez(path, image=normalised(grey))
        case "images.npz":
            np.savez(path, images=grey, labels=labels()[:FEW][order])
    options = ("--int8", *NORMALISED, *MIN_MAX, "--calib")
    succeed("compile", MODEL, *options, path, "-o", tmp_path / "out")
    made = (tmp_path / "out" / "model.tflite").read_bytes()
    assert made == (compiled(*options, images) / "model.tflite").read_bytes()


def test_evaluation_on_folders_with_labels_in_names_or_folders(tmp_path, images):
    for path in images.iterdir():
        folder = tmp_path / "tree" / path.name.split("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    for number, folder in enumerate((images, tmp_path / "tree")):
        out = tmp_path / str(number)
        succeed("compile", MODEL, *NORMALISED, "--eval", folder, "-o", out)
        accuracy = report_of(out)["accuracy"]
        assert (accuracy["samples"], accuracy["float_top1"]) == (FEW, 100.0)


@pytest.fixture(scope="module")
def qdq(tmp_path_factory):
    """The digits network quantised to ONNX in QDQ form."""
    path = tmp_path_factory.mktemp("qdq") / "qdq.onnx"
    model = library.optimize(
        str(MODEL),
        precision="int8",
        calibration=normalised(np.load(CALIBRATION)["images"][:24]),
    )
    path.write_bytes(model.SerializeToString())
    return path


def test_quantised_model_keeps_its_integers(tmp_path, qdq):
    succeed("compile", qdq, "-o", tmp_path / "out")
    report = report_of(tmp_path / "out")
    assert (report["precision"], report["quantisation"]) == ("int8", None)
    outputs = TfLiteFile(tmp_path / "out" / "model.tflite").real(
        normalised(pixels()[:FEW]).transpose(0, 2, 3, 1)
    )
    reference = onnx_outputs(str(qdq), normalised(pixels()[:FEW]))
    assert sqnr_db(reference, outputs) > 35.0
    assert np.array_equal(reference.argmax(1), outputs.argmax(1))


def test_quantised_model_says_what_was_asked_in_vain(tmp_path, qdq):
    words = ("--int8", *CALIBRATED, "--input-type", "uint8", "--output-type", "float32")
    outcome = succeed("compile", qdq, *words, "-o", tmp_path / "out")
    assert "its own integers are kept; the calibration samples are not used" in outcome.err
    file = TfLiteFile(tmp_path / "out" / "model.tflite")
    assert (file.input["dtype"], file.output["dtype"]) == (np.uint8, np.float32)


@pytest.mark.parametrize(
    "options", [("--eval", TEST), ("--image-input",), ("--swap-activation", "all")]
)
def test_quantised_model_has_no_float_network(tmp_path, qdq, options):
    words = ("compile", qdq, *options, "-o", tmp_path / "out")
    message = refuse(2, "usage.no-float-model", *words)
    assert str(options[0]) in message
    assert str(qdq) in message
    assert list(tmp_path.iterdir()) == []


def test_sixteen_bits_around_another_zero(tmp_path):
    graph = Graph("uneven")
    quant = QuantParams.per_tensor(0.01, 2074)
    x = graph.add_input("x", TensorType(DType.I16, (1, 2, 4, 4), quant))
    graph.set_outputs(graph.add(GlobalAvgPool(), x, name="y", quant=quant).outputs)
    (tmp_path / "uneven.onnx").write_bytes(emit_bytes(graph))
    words = ("compile", tmp_path / "uneven.onnx", "-o", tmp_path / "out")
    message = refuse(1, "model.zero-point", *words)
    assert "%x has 16 bits and the zero point 2074" in message
    assert "ActivationSymmetric=True" in message
