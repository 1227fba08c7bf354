"""`fpc compile --target fpga`: the file's scales, the report's partition, the answers."""

from __future__ import annotations

import json
from math import frexp

from fpc.backends.tflite.reader import read
from tests.cli.digits import CALIBRATED, MODEL, TfLiteFile, normalised, pixels, same_class_percent
from tests.cli.invoke import refuse, succeed

INT8 = ("--int8", *CALIBRATED, "--target", "fpga")


def test_scales_are_powers_of_two_around_zero(tmp_path):
    succeed("compile", MODEL, *INT8, "-o", tmp_path / "out")
    graph = read(tmp_path / "out" / "model.tflite").main
    quants = [tensor.quant for tensor in graph.tensors if tensor.quant is not None]
    assert len(quants) > 90
    for quant in quants:
        assert quant.axis is None
        assert quant.zero_point == 0
        assert frexp(quant.scale)[0] == 0.5
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["quantisation"]["scheme"] == "power-of-two-int8"
    assert report["verification"]["numerics"] == "tflite-reference"
    assert report["verification"]["exact"]
    off = {node["op"] for node in report["placement"]["nodes"] if not node["is_fast"]}
    assert off == {"hard_sigmoid", "mul"}
    file = TfLiteFile(tmp_path / "out" / "model.tflite")
    assert same_class_percent(file.real(normalised(pixels()[:200]).transpose(0, 2, 3, 1))) >= 98.0


def test_sixteen_bits_are_not_to_be_had(tmp_path):
    words = ("--int16", *CALIBRATED, "--target", "fpga", "-o", tmp_path / "out")
    assert "fpga" in refuse(1, "quant.nothing-to-quantise", "compile", MODEL, *words)


def test_check_says_what_breaks_the_partition(golden):
    assert succeed("check", MODEL, "--target", "fpga").out == golden
