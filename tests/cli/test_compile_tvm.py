"""`--backend tvm`: from an ONNX file to an artifact that runs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fpc.backends.tvm import requirements
from fpc.diagnostics.errors import MeasureError
from fpc.measure.tvm.model import TvmModel
from tests.cli.digits import MODEL, QUICK, labels, normalised, pixels
from tests.cli.invoke import refuse, succeed

TVM = ("--target", "host", "--backend", "tvm")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tvm") / "digits"
    return folder, succeed("compile", MODEL, *TVM, *QUICK, "-o", folder, "--json").document


def test_the_report_says_what_was_made_and_checked(artifact):
    folder, report = artifact
    checked = report["verification"]
    assert checked["exact"]
    assert checked["numerics"] == "tflite-xnnpack"
    assert checked["runtime"].startswith("TVM kernels for ")
    names = {file["name"] for file in report["files"]}
    assert names == {
        "model.so",
        "weights.bin",
        "manifest.json",
        "run.cc",
        "Makefile",
    }
    for file in report["files"]:
        assert (folder / file["name"]).stat().st_size == file["bytes"]
    assert report["versions"]["apache-tvm-ffi"] == "0.1.14.post1"
    assert report["prediction"] is None
    assert {node["unit"] for node in report["placement"]["nodes"]} == {"tvm"}


def test_the_artifact_knows_its_digits(artifact):
    folder, _ = artifact
    [declared] = json.loads((folder / "manifest.json").read_text())["inputs"]
    model = TvmModel(folder)
    images = normalised(pixels()[:100]).transpose(0, 2, 3, 1)
    steps = np.rint(images / declared["scale"]) + declared["zero_point"]
    integers = np.clip(steps, -128, 127).astype(np.int8)
    classes = [int(np.argmax(model([image[np.newaxis]])[0])) for image in integers]
    assert np.mean(np.array(classes) == labels()[:100]) > 0.9


def test_an_input_of_another_shape_is_refused(artifact):
    folder, _ = artifact
    with pytest.raises(MeasureError, match=r"int8\[1, 16, 16, 1\]") as caught:
        TvmModel(folder)([np.zeros((1, 8, 8, 1), np.int8)])
    assert caught.value.code == "measure.tvm-inputs"


def test_a_folder_that_is_no_artifact_is_refused(tmp_path):
    with pytest.raises(MeasureError, match="no network compiled by TVM"):
        TvmModel(tmp_path)
    with pytest.raises(MeasureError, match="no network compiled by TVM"):
        TvmModel(b"not an archive")


def test_measured_on_this_machine():
    document = succeed("measure", MODEL, "--backend", "tvm", "--repeats", "6", "--json").document
    [sample] = document["samples"]
    assert sample["evidence"] == "measured"
    assert sample["condition"]["runtime"].startswith("TVM 0.27.0.post1 (")
    assert sample["latency_ms"] > 0


def test_what_cannot_be_had_is_said_before_the_work(tmp_path, monkeypatch):
    output = tmp_path / "out"
    words = ("--target", "dsp", "--backend", "tvm")
    told = refuse(1, "backend.tvm-target", "compile", MODEL, *words, "-o", output)
    assert "the target dsp" in told
    refuse(2, "usage.backend", "compile", MODEL, "--backend", "tvn", "-o", output)
    refuse(2, "usage.on", "measure", MODEL, "--backend", "tvm", "--on", "ssh:board")
    pinned = {"apache-tvm": "0.27.0.post1", "apache-tvm-ffi": "0.1.15.post2"}
    monkeypatch.setattr(requirements, "version", pinned.__getitem__)
    told = refuse(3, "backend.tvm-version", "compile", MODEL, *TVM, *QUICK, "-o", output)
    assert "apache-tvm-ffi==0.1.14.post1" in told
    assert not output.exists()
