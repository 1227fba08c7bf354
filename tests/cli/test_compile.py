"""`fpc compile` on the digits network: files that LiteRT runs like onnxruntime runs the model."""

from __future__ import annotations

import hashlib
import json
import re
import shutil

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from fpc.backends.tflite.reader import read
from tests.cli.digits import (
    CALIBRATED,
    CALIBRATION,
    MODEL,
    NORMALISED,
    QUICK,
    TEST,
    TfLiteFile,
    float_logits,
    labels,
    normalised,
    onnx_outputs,
    pixels,
    same_class_percent,
    sqnr_db,
)
from tests.cli.invoke import fpc, refuse, succeed

FULL = ("--int8", *CALIBRATED, "--eval", TEST)
FEW = 60


def inputs(count: int = 500) -> np.ndarray:
    """Normalised test images, NHWC as files take them."""
    return normalised(pixels()[:count]).transpose(0, 2, 3, 1)


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def operators(folder) -> list[str]:
    return [operator.code for operator in read(folder / "model.tflite").subgraphs[0].operators]


def test_float_file_computes_what_the_model_does(compiled):
    outputs = TfLiteFile(compiled() / "model.tflite").real(inputs())
    assert np.abs(outputs - float_logits()).max() < 1e-4


def test_int8_file_classifies_like_the_model(compiled):
    file = TfLiteFile(compiled(*FULL) / "model.tflite")
    assert file.input["dtype"] is np.int8
    assert file.output["dtype"] is np.int8
    outputs = file.real(inputs())
    assert same_class_percent(outputs) >= 98.0
    assert sqnr_db(float_logits(), outputs) > 25.0


def test_int16_file_is_closer_still(compiled):
    outputs = TfLiteFile(compiled("--int16", *QUICK[1:]) / "model.tflite").real(inputs(FEW))
    assert same_class_percent(outputs) == 100.0
    assert sqnr_db(float_logits()[:FEW], outputs) > 35.0


def test_reported_accuracy_is_the_file_s(compiled):
    accuracy = report_of(compiled(*FULL))["accuracy"]
    outputs = TfLiteFile(compiled(*FULL) / "model.tflite").real(inputs())
    right = float_logits().argmax(1) == labels()
    assert accuracy["samples"] == 500
    assert accuracy["float_top1"] == pytest.approx(100.0 * right.mean())
    assert accuracy["top1"] == pytest.approx(
        100.0 * (outputs.argmax(1) == labels()).mean(), abs=0.4
    )
    assert accuracy["agreement"] == pytest.approx(same_class_percent(outputs), abs=0.4)
    assert accuracy["sqnr_db"] == pytest.approx(sqnr_db(float_logits(), outputs), abs=0.5)


def test_image_input_takes_raw_bytes(compiled):
    file = TfLiteFile(compiled(*QUICK, "--image-input") / "model.tflite")
    assert file.input["dtype"] is np.uint8
    assert same_class_percent(file.stored(pixels())) >= 98.0


def test_image_input_of_a_float_file_takes_grey_levels(compiled):
    file = TfLiteFile(compiled(*NORMALISED, "--image-input") / "model.tflite")
    outputs = file.real(pixels()[:FEW].astype(np.float32))
    assert np.abs(outputs - float_logits()[:FEW]).max() < 1e-3


@pytest.mark.parametrize(
    ("taken", "given"),
    [("uint8", "float32"), ("float32", "uint8"), ("float32", "float32"), ("int8", "uint8")],
)
def test_input_and_output_types_change_the_form_and_not_the_function(compiled, taken, given):
    plain = TfLiteFile(compiled(*QUICK) / "model.tflite")
    folder = compiled(*QUICK, "--input-type", taken, "--output-type", given)
    file = TfLiteFile(folder / "model.tflite")
    assert (np.dtype(file.input["dtype"]).name, np.dtype(file.output["dtype"]).name) == (
        taken,
        given,
    )
    # Grey levels lie halfway between two steps of the quantised input, where roundings differ.
    images = np.random.default_rng(0).uniform(-1, 1, (FEW, 16, 16, 1)).astype(np.float32)
    assert np.array_equal(file.real(images), plain.real(images))
    report = report_of(folder)
    assert (report["input_type"], report["output_type"]) == (taken, given)


@pytest.mark.parametrize(
    ("precision", "option", "wanted"),
    [
        ("--int8", "--input-type", "int16"),
        ("--int8", "--output-type", "int16"),
        ("--int16", "--input-type", "int8"),
        ("--int16", "--output-type", "uint8"),
    ],
)
def test_types_that_cannot_be_had_are_refused(tmp_path, precision, option, wanted):
    words = ("compile", MODEL, precision, *QUICK[1:], option, wanted, "-o", tmp_path / "out")
    message = refuse(2, "usage.io-type", *words)
    assert f"{option} {wanted}" in message
    assert "float32" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [(), QUICK], ids=["float", "int8"])
def test_nchw_file_computes_the_same(compiled, options):
    plain = TfLiteFile(compiled(*options) / "model.tflite")
    folder = compiled(*options, "--io-layout", "nchw")
    turned = TfLiteFile(folder / "model.tflite")
    assert list(turned.input["shape"]) == [1, 1, 16, 16]
    assert list(plain.input["shape"]) == [1, 16, 16, 1]
    same = turned.real(normalised(pixels()[:FEW]))
    assert np.array_equal(same, plain.real(inputs(FEW)))
    assert report_of(folder)["io_layout"] == "nchw"


def test_verify_checks_reference_kernels_bit_for_bit(compiled):
    verification = report_of(compiled(*QUICK, "--verify"))["verification"]
    assert verification["numerics"] == "tflite-reference"
    assert verification["exact"] is True
    assert verification["different"] == 0


@pytest.mark.parametrize(
    ("recipe", "recorded"),
    [
        ("mse", "mse"),
        ("percentile=99.9", "percentile=99.9"),
        ("entropy+equalise", "entropy+equalise"),
        ("bias-correct", "min-max+bias-correct"),
        ("min-max+round", "min-max+round"),
    ],
)
def test_every_recipe_gives_a_network_of_use(tmp_path, recipe, recorded):
    options = (*QUICK[:-1], recipe, "--allow-degraded")
    succeed("compile", MODEL, *options, "-o", tmp_path / "out")
    quantisation = report_of(tmp_path / "out")["quantisation"]
    assert quantisation["recipe"] == recorded
    assert [rung["recipe"] for rung in quantisation["rungs"]] == [recorded]
    outputs = TfLiteFile(tmp_path / "out" / "model.tflite").real(inputs(FEW))
    assert same_class_percent(outputs) >= 95.0


def test_same_command_gives_the_same_bytes(compiled, tmp_path):
    succeed("compile", MODEL, *QUICK, "-o", tmp_path / "again")
    for name in ("model.tflite", "model.fpc"):
        assert (tmp_path / "again" / name).read_bytes() == (compiled(*QUICK) / name).read_bytes()


def test_artifact_holds_file_graph_and_report(compiled):
    folder = compiled(*FULL)
    assert sorted(p.name for p in folder.iterdir()) == ["model.fpc", "model.tflite", "report.json"]
    assert (folder / "model.fpc").read_text().startswith("graph @")


def test_report_says_what_was_done(compiled):
    folder = compiled(*FULL)
    report = report_of(folder)
    assert report["format"] == 1
    assert (report["target"], report["precision"]) == ("rpi4-arm", "int8")
    assert report["model"]["sha256"] == hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert report["model"]["inputs"] == {"image": "f32[1,1,16,16]"}
    assert report["model"]["outputs"] == {"logits": "f32[1,10]"}
    content = (folder / "model.tflite").read_bytes()
    assert report["files"] == [
        {
            "name": "model.tflite",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    ]
    assert report["quantisation"]["calibration_samples"] == 100
    assert report["quantisation"]["quality"]["verdict"] == "excellent"
    assert {layer["op"] for layer in report["quantisation"]["layers"]} >= {"conv2d", "dense"}
    assert [step["text"] for step in report["passes"]] == report["pipeline"].split(",")
    assert {"numpy", "onnx", "ai-edge-litert"} <= set(report["versions"])
    assert set(report["timings_ms"]) >= {"import", "optimise", "quantise", "verify", "evaluate"}
    off_path = [node for node in report["placement"]["nodes"] if node["effect"] is not None]
    assert {node["op"] for node in off_path} == {"hard_swish"}
    assert all(node["reason"] and node["remedy"] for node in off_path)


def test_json_prints_the_report_and_nothing_else(tmp_path):
    outcome = succeed("compile", MODEL, "--json", "-o", tmp_path / "out")
    assert outcome.document == report_of(tmp_path / "out")
    assert outcome.err == ""


def test_artifact_lies_beside_the_model_by_default(tmp_path):
    shutil.copy(MODEL, tmp_path / "net.onnx")
    succeed("compile", tmp_path / "net.onnx", "--target", "host")
    assert (tmp_path / "net-host" / "model.tflite").is_file()
    assert report_of(tmp_path / "net-host")["target"] == "host"


def test_swapping_all_activations_leaves_no_hard_swish(compiled, tmp_path):
    folder = tmp_path / "out"
    outcome = succeed("compile", MODEL, *QUICK, "--swap-activation", "all", "-o", folder)
    assert operators(compiled(*QUICK)).count("HARD_SWISH") == 8
    assert "HARD_SWISH" not in operators(folder)
    assert all(swap["applied"] for swap in report_of(folder)["swaps"])
    assert "8 activations became ReLU6" in outcome.err


def test_swapping_one_activation_by_name(tmp_path):
    name = "/features/features.6/features.6.2/HardSwish"
    succeed("compile", MODEL, "--swap-activation", name, "-o", tmp_path / "out")
    assert operators(tmp_path / "out").count("HARD_SWISH") == 7
    swaps = report_of(tmp_path / "out")["swaps"]
    assert [swap["where"] for swap in swaps if swap["applied"]] == [name]
    assert all(swap["sqnr_db"] is None for swap in swaps)


def test_price_of_a_swap_is_what_onnxruntime_measures(compiled):
    model = onnx.load(MODEL)
    site = next(node for node in model.graph.node if node.op_type == "HardSwish")
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0), "low"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(6), "high"))
    site.CopyFrom(
        helper.make_node("Clip", [site.input[0], "low", "high"], list(site.output), name=site.name)
    )
    samples = normalised(np.load(CALIBRATION)["images"][:4])
    expected = sqnr_db(
        onnx_outputs(str(MODEL), samples), onnx_outputs(model.SerializeToString(), samples)
    )
    swaps = {swap["where"]: swap["sqnr_db"] for swap in report_of(compiled(*FULL))["swaps"]}
    assert swaps[site.name] == pytest.approx(expected, abs=0.1)


def test_accuracy_of_a_swapped_network_counts_from_the_model_given(tmp_path):
    words = ("compile", MODEL, *QUICK, "--swap-activation", "all", "--eval", TEST)
    succeed(*words, "-o", tmp_path / "out")
    accuracy = report_of(tmp_path / "out")["accuracy"]
    assert accuracy["float_top1"] == pytest.approx(99.2)
    assert accuracy["top1"] < 95.0


def test_target_of_a_user_s_own_file(tmp_path):
    text = succeed("targets", "rpi4-arm", "--toml").out
    (tmp_path / "board.toml").write_text(text.replace('name = "rpi4-arm"', 'name = "board"'))
    shutil.copy(MODEL, tmp_path / "net.onnx")
    succeed("compile", tmp_path / "net.onnx", "--target", tmp_path / "board.toml")
    assert report_of(tmp_path / "net-board")["target"] == "board"


def masked(text: str, folder) -> str:
    """`text` without places, measured figures and trailing blanks."""
    text = text.replace(str(folder), "OUT").replace(str(MODEL.parent) + "/", "")
    text = re.sub(r"\d+ right->wrong, \d+ wrong->right", "# right->wrong, # wrong->right", text)
    verdict = (
        r"every bit equal|equal to within [\d.e+-]+|\d+ of \d+ values differ, by at most [\d.e+-]+"
    )
    text = re.sub(verdict, "#", text)
    text = re.sub(r"[+-]?\b\d+\.\d+\b", "#", text)
    return re.sub(r"\(\d+ kB\)", "(# kB)", text)


def test_summary_of_a_float_model(tmp_path, golden):
    assert masked(succeed("compile", MODEL, "-o", tmp_path).out, tmp_path) == golden


def test_summary_of_an_int8_model(tmp_path, golden):
    outcome = succeed("compile", MODEL, *QUICK, "--eval", TEST, "-o", tmp_path)
    assert masked(outcome.out, tmp_path) == golden


def test_verbose_adds_recipes_layers_prices_and_timings(tmp_path):
    out = succeed("compile", MODEL, *QUICK, "-v", "-o", tmp_path).out
    for heading in (
        "recipes tried",
        "layers furthest from float",
        "activations, and the output's SQNR if one became ReLU6",
        "off the fast path",
        "seconds by stage",
    ):
        assert f"\n{heading}\n" in out


def test_help_lists_every_command():
    outcome = fpc("--help")
    assert outcome.status == 0
    for command in ("compile", "check", "explain", "compare", "targets", "golden"):
        assert command in outcome.out


def test_version_is_the_package_s():
    from importlib.metadata import version

    assert fpc("--version").out.strip() == version("fpc")
