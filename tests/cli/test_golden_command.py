"""`fpc golden`: a release engineer records a network and learns what changed first."""

from __future__ import annotations

import shutil

import onnx
import pytest
from onnx import numpy_helper

from tests.cli.digits import CALIBRATED, CALIBRATION, MODEL, TEST
from tests.cli.invoke import fpc, refuse, succeed

INTEGER = ("--int8", *CALIBRATED, "--recipe", "min-max")
CHANGED = "features.4.body.1.0.weight"
ITS_LAYER = "/features/features.4/body/body.1/body.1.0/Conv"


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    path = tmp_path_factory.mktemp("golden") / "digits.json"
    outcome = succeed("golden", "record", MODEL, path, *INTEGER)
    assert outcome.out.startswith("recorded ")
    return path


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """The network with one filter of one layer a twentieth stronger."""
    model = onnx.load(MODEL)
    (tensor,) = (t for t in model.graph.initializer if t.name == CHANGED)
    weights = numpy_helper.to_array(tensor).copy()
    weights[3] *= 1.05
    tensor.CopyFrom(numpy_helper.from_array(weights, CHANGED))
    path = tmp_path_factory.mktemp("changed") / "digits.onnx"
    onnx.save(model, path)
    return path


def test_same_network_is_unchanged(record):
    assert succeed("golden", "check", MODEL, record).out == "unchanged\n"


def test_record_is_the_same_every_time(record, tmp_path):
    shutil.copy(CALIBRATION, tmp_path)
    again = tmp_path / "digits.json"
    succeed(
        "golden", "record", MODEL, again, *INTEGER[:6], tmp_path / CALIBRATION.name, *INTEGER[7:]
    )
    kept = '"compile"'
    first, second = (
        [line for line in path.read_text().splitlines() if kept not in line]
        for path in (record, again)
    )
    assert first == second


def test_changed_weight_names_the_first_layer(record, changed):
    outcome = fpc("golden", "check", changed, record)
    assert outcome.status == 1
    first = next(line for line in outcome.out.splitlines() if "first changed layer" in line)
    assert ITS_LAYER in first
    assert "first changed stage: imported" in outcome.out


def test_changes_as_json(record, changed):
    outcome = fpc("golden", "check", changed, record, "--json")
    assert outcome.status == 1
    assert outcome.document["unchanged"] is False
    assert ITS_LAYER in outcome.document["layers"][0]["source"]
    assert fpc("golden", "check", MODEL, record, "--json").document["unchanged"] is True


def test_other_calibration_data_can_stand_in(record, tmp_path):
    moved = shutil.copy(CALIBRATION, tmp_path / "moved.npz")
    assert fpc("golden", "check", MODEL, record, "--calib", moved).status == 0
    assert fpc("golden", "check", MODEL, record, "--calib", TEST).status == 1


def test_float_network(tmp_path, changed):
    succeed("golden", "record", MODEL, tmp_path / "float.json")
    assert fpc("golden", "check", MODEL, tmp_path / "float.json").status == 0
    outcome = fpc("golden", "check", changed, tmp_path / "float.json")
    assert outcome.status == 1
    assert "/features/features.4/body/" in outcome.out


def test_records_that_are_none(tmp_path, compiled):
    missing = refuse(2, "usage.golden-file", "golden", "check", MODEL, tmp_path / "none.json")
    assert "none.json" in missing
    wrong = compiled() / "report.json"
    assert "report.json" in refuse(1, "parse.golden", "golden", "check", MODEL, wrong)
