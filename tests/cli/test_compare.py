"""`fpc compare`: pairs of files, ONNX and TFLite, in either layout, against numpy's own figures."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from tests.cli.digits import (
    MODEL,
    NORMALISED,
    QUICK,
    TEST,
    TfLiteFile,
    float_logits,
    normalised,
    pixels,
    sqnr_db,
)
from tests.cli.invoke import refuse, succeed
from tests.cli.networks import silu, two_inputs


def test_model_and_its_float_file_agree(compiled):
    (row,) = succeed("compare", MODEL, compiled() / "model.tflite", "--json").document
    assert row["name"] == "logits"
    assert row["sqnr_db"] > 100.0
    assert row["agreement"] == 100.0


def test_figures_on_images_are_those_of_onnxruntime_and_litert(compiled):
    path = compiled(*QUICK) / "model.tflite"
    words = ("compare", MODEL, path, "--inputs", TEST, *NORMALISED, "--count", 40, "--json")
    (row,) = succeed(*words).document
    wanted = float_logits()[:40]
    got = TfLiteFile(path).real(normalised(pixels()[:40]).transpose(0, 2, 3, 1))
    assert row["elements"] == 400
    assert row["sqnr_db"] == pytest.approx(sqnr_db(wanted, got), abs=0.3)
    assert row["largest"] == pytest.approx(np.abs(wanted - got).max(), rel=0.2)
    assert row["agreement"] == pytest.approx(100 * (wanted.argmax(1) == got.argmax(1)).mean())
    angle = (wanted * got).sum() / (np.linalg.norm(wanted) * np.linalg.norm(got))
    assert row["cosine"] == pytest.approx(angle, abs=1e-4)


@pytest.mark.parametrize("make", [silu, two_inputs])
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_feature_maps_are_compared_whatever_their_layout(tmp_path, make, layout):
    """Maps of 8 channels and 8 x 8 pixels look alike in both layouts."""
    model = make(tmp_path / "net.onnx")
    succeed("compile", model, "--io-layout", layout, "-o", tmp_path / "out")
    file = tmp_path / "out" / "model.tflite"
    names = [value.name for value in onnxruntime.InferenceSession(str(model)).get_outputs()]
    for pair in ((model, file), (file, model)):
        rows = succeed("compare", *pair, "--json").document
        assert [row["sqnr_db"] > 100.0 for row in rows] == [True] * len(names)


def test_files_in_different_layouts(tmp_path):
    model = two_inputs(tmp_path / "net.onnx")
    for layout in ("nhwc", "nchw"):
        succeed("compile", model, "--io-layout", layout, "-o", tmp_path / layout)
    files = [tmp_path / layout / "model.tflite" for layout in ("nhwc", "nchw")]
    rows = succeed("compare", *files, "--json").document
    assert [row["sqnr_db"] for row in rows] == ["Infinity"] * 2


def test_table_and_the_word_on_noise(compiled, golden):
    file = compiled() / "model.tflite"
    outcome = succeed("compare", file, file)
    assert outcome.out == golden
    assert "--inputs compares on real ones" in outcome.err
    assert succeed("compare", file, file, "--inputs", TEST, "--count", 2).err == ""


def test_same_seed_same_figures(compiled):
    words = ("compare", MODEL, compiled(*QUICK) / "model.tflite", "--json", "--seed")
    assert succeed(*words, 3).out == succeed(*words, 3).out
    assert succeed(*words, 3).out != succeed(*words, 4).out


def test_files_that_do_not_correspond(tmp_path, compiled):
    other = silu(tmp_path / "net.onnx")
    message = refuse(2, "usage.inputs-differ", "compare", MODEL, other)
    assert "f32[1,1,16,16]" in message
    assert "f32[1,3,8,8]" in message


def test_files_that_cannot_be_run(tmp_path, compiled):
    report = compiled() / "report.json"
    assert ".tflite" in refuse(2, "usage.model-format", "compare", MODEL, report)
    assert "none.onnx" in refuse(2, "usage.model-missing", "compare", MODEL, tmp_path / "none.onnx")
