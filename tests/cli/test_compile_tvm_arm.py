"""`--target rpi4-arm --backend tvm`: an artifact for another machine, run under emulation."""

from __future__ import annotations

from fpc.measure.emulation.emulator import ROOT_VARIABLE
from tests.backends.arm.tvm import emulated
from tests.cli.digits import MODEL, QUICK
from tests.cli.invoke import succeed

ARM = ("--target", "rpi4-arm", "--backend", "tvm")
_ELF_MACHINE, _AARCH64 = slice(18, 20), (183).to_bytes(2, "little")


@emulated
def test_the_artifact_is_verified_under_emulation(tmp_path):
    folder = tmp_path / "arm"
    report = succeed("compile", MODEL, *ARM, *QUICK, "-o", folder, "--json").document
    assert (folder / "model.so").read_bytes()[_ELF_MACHINE] == _AARCH64
    checked = report["verification"]
    assert checked["exact"]
    assert checked["numerics"] == "tflite-xnnpack"
    assert checked["runtime"] == "TVM kernels for neon-mlal on an emulated cortex-a72"


def test_without_an_emulator_the_report_says_that_nobody_has_run_it(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "none"))
    report = succeed("compile", MODEL, *ARM, *QUICK, "-o", tmp_path / "arm", "--json").document
    assert report["verification"] is None
    [note] = [note for note in report["notes"] if "nobody has run it" in note]
    assert f"no ARM root at {tmp_path / 'none'}" in note


@emulated
def test_its_instructions_are_counted():
    words = ("measure", MODEL, *ARM, "--on", "qemu", "--json")
    [sample] = succeed(*words).document["samples"]
    assert sample["evidence"] == "simulated"
    assert "neon-mlal" in sample["condition"]["runtime"]
    assert 100_000 < sample["instructions"] < 10_000_000
