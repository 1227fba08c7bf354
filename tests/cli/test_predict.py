"""`fpc predict`: a labelled latency with its interval and kernels, or a coded refusal."""

from __future__ import annotations

import pytest

from fpc.costmodel.library import select, shipped
from tests.cli.digits import MODEL
from tests.cli.invoke import refuse, succeed


def test_prediction_of_the_digits_network(golden):
    assert succeed("predict", MODEL).out == golden


def test_document():
    found = succeed("predict", MODEL, "--json").document
    assert found["evidence"] == "predicted"
    assert found["extrapolates"] is True
    assert "replayed" in found["fitted_on"]
    assert "TFLite 2.1, 1 thread, int8" in found["condition"]
    low, high = found["interval_ms"]
    assert low <= found["latency_ms"] <= high
    shares = [kernel["latency_ms"] for kernel in found["kernels"]]
    assert sum(shares) == pytest.approx(found["latency_ms"])
    assert any("leave the fast path" in note for note in found["notes"])


def test_prediction_for_a_target_on_which_kernels_were_never_measured(golden):
    found = succeed("predict", MODEL, "--target", "dsp", "--all")
    assert found.out + found.err == golden


def test_document_tells_simulated_kernels_from_measured_ones():
    found = succeed("predict", MODEL, "--target", "dsp", "--json").document
    simulated = [kernel for kernel in found["kernels"] if kernel["evidence"] == "simulated"]
    assert {kernel["op"] for kernel in simulated} == {"conv2d", "mul"}
    assert len(simulated) < len(found["kernels"])
    shares = [kernel["latency_ms"] for kernel in found["kernels"]]
    assert sum(shares) + found["constant_ms"] == pytest.approx(found["latency_ms"])
    assert found["simulated_ms"] == pytest.approx(sum(k["latency_ms"] for k in simulated))
    low, high = found["interval_ms"]
    assert high - low > found["simulated_ms"]
    assert any("ms are simulated" in note for note in found["notes"])


def test_no_kernel_of_the_snapdragons_cpu_is_simulated():
    found = succeed("predict", MODEL, "--target", "sd855-cpu", "--json").document
    assert found["simulated_ms"] == 0.0
    assert any("no measured network had depthwise_taps" in note for note in found["notes"])


def test_runtime_and_precision_select_the_condition():
    found = succeed("predict", MODEL, "--runtime", "tflite 2.7", "--float", "--json").document
    assert "TFLite 2.7.1 ruy, threads not stated, float32" in found["condition"]


def test_a_condition_without_a_model_is_refused_with_those_there_are():
    message = refuse(1, "cost.no-model", "predict", MODEL, "--runtime", "caffe")
    assert "TFLite 2.7.1" in message


def test_a_file_that_is_no_cost_model_is_refused(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text("[]")
    assert "prices.json" in refuse(1, "cost.malformed", "predict", MODEL, "--cost-model", path)


def test_a_picture_of_the_costliest_kernels(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    file = tmp_path / "kernels.svg"
    succeed("predict", MODEL, "--plot", file)
    assert file.read_bytes().startswith(b"<?xml")


def test_a_picture_of_no_known_format_is_refused_before_the_work(tmp_path):
    refuse(2, "usage.plot", "predict", MODEL, "--plot", tmp_path / "kernels.xyz")


def test_prices_of_another_machine_are_told_from_ones_own(monkeypatch):
    device = select(shipped("host"), "host", precision="int8").condition.device
    for here, is_other in ((device, False), ("another machine", True)):
        monkeypatch.setattr("fpc.driver.predict.by_cost_model.device_name", lambda here=here: here)
        found = succeed("predict", MODEL, "--target", "host", "--json").document
        assert found["condition"].startswith(f"{device}, LiteRT")
        assert "networks drawn by fpc (measured)" in found["fitted_on"]
        notes = [note for note in found["notes"] if "calibrate-target" in note]
        assert len(notes) == is_other
        assert all("another machine" in note for note in notes)
