"""Every mistake a user can make gives a coded message and a status: no traceback, no artifact."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fpc.cli.main import run
from tests.cli.invoke import succeed

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
CALIBRATION = str(DIGITS / "calibration.npz")


def network(
    *,
    op: str = "Relu",
    shape: tuple[int | str, ...] = (1, 3, 8, 8),
    weight: float = 0.5,
    domain: str = "",
) -> onnx.ModelProto:
    weights = np.full((4, 3, 3, 3), weight, np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["y"], name="stem", pads=[1, 1, 1, 1]),
            helper.make_node(op, ["y"], ["z"], name="act", domain=domain),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def compile_bytes(folder: Path, content: bytes, *extra: str) -> int:
    path = folder / "net.onnx"
    path.write_bytes(content)
    return run(["compile", str(path), "-o", str(folder / "out"), *extra])


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Checks a failed command: its status and code, no traceback, nothing written."""

    def check(status: int, code: str, *words: str, expected: int = 1) -> None:
        error = capsys.readouterr().err
        assert status == expected, error
        assert f"error[{code}]" in error
        assert "Traceback" not in error
        for word in words:
            assert word in error
        assert not (tmp_path / "out").exists()
        assert not [p for p in tmp_path.iterdir() if p.name.startswith(".fpc-")]

    return check


def test_model_that_is_not_there(tmp_path, refused):
    status = run(["compile", str(tmp_path / "none.onnx"), "-o", str(tmp_path / "out")])
    refused(status, "model.unreadable", "none.onnx")


def test_empty_model(tmp_path, refused):
    refused(compile_bytes(tmp_path, b""), "model.empty")


def test_truncated_model(tmp_path, refused):
    content = (DIGITS / "digits.onnx").read_bytes()
    refused(compile_bytes(tmp_path, content[: len(content) // 2]), "model.not-onnx")


def test_text_that_is_not_onnx(tmp_path, refused):
    refused(compile_bytes(tmp_path, b"<html>not found</html>"), "model.not-onnx")


def test_unsupported_operator_is_named(tmp_path, refused):
    content = network(op="NonMaxSuppression", domain="").SerializeToString()
    refused(compile_bytes(tmp_path, content), "model.unsupported-op", "NonMaxSuppression", "act")


def test_dynamic_shape_says_what_to_type(tmp_path, refused):
    content = network(shape=("N", 3, "H", "W")).SerializeToString()
    refused(compile_bytes(tmp_path, content), "model.dynamic-shape", "--input-shape", "x")


def test_dynamic_shape_is_fixed_by_the_option(tmp_path):
    content = network(shape=("N", 3, "H", "W")).SerializeToString()
    assert compile_bytes(tmp_path, content, "--input-shape", "1,3,8,8") == 0
    assert (tmp_path / "out" / "model.tflite").is_file()


def test_nan_weights_name_the_tensor(tmp_path, refused):
    content = network(weight=float("nan")).SerializeToString()
    refused(compile_bytes(tmp_path, content), "model.non-finite", "w")


def test_missing_external_data(tmp_path, refused):
    model = network()
    onnx.save(
        model,
        str(tmp_path / "net.onnx"),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    (tmp_path / "weights.bin").unlink()
    status = run(["compile", str(tmp_path / "net.onnx"), "-o", str(tmp_path / "out")])
    refused(status, "model.external-data", "weights.bin")


def _quantise(tmp_path: Path, calibration: Path | str, *extra: str) -> int:
    model = str(DIGITS / "digits.onnx")
    return run(
        [
            "compile",
            model,
            "--int8",
            "--calib",
            str(calibration),
            "-o",
            str(tmp_path / "out"),
            *extra,
        ]
    )


def test_empty_calibration_folder(tmp_path, refused):
    (tmp_path / "images").mkdir()
    refused(_quantise(tmp_path, tmp_path / "images"), "usage.samples-empty", expected=2)


def test_calibration_of_another_shape(tmp_path, refused):
    np.save(tmp_path / "x.npy", np.zeros((3, 1, 5, 5), np.float32))
    refused(_quantise(tmp_path, tmp_path / "x.npy"), "usage.samples-shape", "image", expected=2)


def test_calibration_with_nan(tmp_path, refused):
    np.save(tmp_path / "x.npy", np.full((3, 1, 16, 16), np.nan, np.float32))
    refused(_quantise(tmp_path, tmp_path / "x.npy"), "quant.not-finite")


def test_calibration_that_is_not_there(tmp_path, refused):
    refused(_quantise(tmp_path, tmp_path / "none"), "usage.samples-missing", expected=2)


def test_unreadable_image(tmp_path, refused):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"\xff\xd8\xff broken")
    refused(_quantise(tmp_path, tmp_path / "images"), "usage.image-unreadable", "a.jpg", expected=2)


def test_evaluation_without_labels(tmp_path, refused):
    np.save(tmp_path / "x.npy", np.zeros((3, 16, 16, 1), np.uint8))
    status = _quantise(tmp_path, CALIBRATION, "--eval", str(tmp_path / "x.npy"))
    refused(status, "usage.no-labels", expected=2)


def test_unknown_target(tmp_path, refused):
    status = _quantise(tmp_path, CALIBRATION, "--target", "rpi5-arm")
    refused(status, "target.unknown", "rpi4-arm")


def test_unknown_recipe(tmp_path, refused):
    status = _quantise(tmp_path, CALIBRATION, "--recipe", "min-mox")
    refused(status, "usage.recipe", "min-max", expected=2)


def test_quantisation_options_without_quantisation(tmp_path, refused):
    model = str(DIGITS / "digits.onnx")
    status = run(["compile", model, "--calib", CALIBRATION, "-o", str(tmp_path / "out")])
    refused(status, "usage.needs-quantisation", "--int8", expected=2)


def test_int8_and_int16_exclude_each_other(tmp_path, refused):
    status = _quantise(tmp_path, CALIBRATION, "--int16")
    refused(status, "usage.precision", expected=2)


def test_output_that_is_a_file(tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    status = run(["compile", str(DIGITS / "digits.onnx"), "-o", str(tmp_path / "out")])
    assert status == 2
    assert "error[usage.output]" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_output_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    status = run(["compile", str(DIGITS / "digits.onnx"), "-o", str(tmp_path / "file" / "out")])
    assert status == 2
    assert "error[usage.output]" in capsys.readouterr().err


def test_unknown_swap_site(tmp_path, refused):
    status = run(
        [
            "compile",
            str(DIGITS / "digits.onnx"),
            "-o",
            str(tmp_path / "out"),
            "--swap-activation",
            "nowhere",
        ]
    )
    refused(status, "usage.swap-site", expected=2)


@pytest.mark.parametrize("arguments", [["compile"], ["nonsense"], ["compile", "x", "--bogus"]])
def test_wrong_usage_exits_with_2(arguments, capsys):
    assert run(arguments) == 2
    assert "Usage" in capsys.readouterr().err


def test_json_errors_are_json(tmp_path, capsys):
    assert run(["compile", str(tmp_path / "none.onnx"), "--json"]) == 1
    problem = json.loads(capsys.readouterr().out)["error"]
    assert problem["code"] == "model.unreadable"
    assert problem["help"]


def test_a_defect_is_owned_up_to(monkeypatch, capsys):
    from fpc.targets import catalog

    def broken() -> tuple[str, ...]:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(catalog, "names", broken)
    assert run(["targets"]) == 70
    error = capsys.readouterr().err
    assert "error[internal]" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_halfway_leaves_nothing(tmp_path, tmp_path_factory, kind):
    # A network large enough that two seconds are halfway on any machine.
    model = tmp_path_factory.mktemp("model") / "net.onnx"
    succeed("zoo", "build", "mobilenet_v2", "--seed", "1", "-o", model)
    words = ("compile", str(model), "--int8", "-o", str(tmp_path / "out"))
    command = [sys.executable, "-m", "fpc", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    time.sleep(2.0)
    os.kill(process.pid, kind)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error.decode()
    assert b"interrupted" in error
    assert b"Traceback" not in error
    assert list(tmp_path.iterdir()) == []
