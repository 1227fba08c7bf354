"""`fpc predict --table`: a published network by a published table, and tables that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.digits import MODEL
from tests.cli.invoke import refuse, succeed


@pytest.fixture(scope="module")
def note10(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A network that its authors measured at 30 ms, and the folder of their tables."""
    folder = shared_data / "data" / "latency" / "ofa"
    [config] = (folder / "specialized").glob("note10_lat-30ms_*.net.config")
    model = tmp_path_factory.mktemp("table") / "note10.onnx"
    succeed("zoo", "build", config, "-o", model)
    return model, folder


def test_a_published_network_as_an_onnx_file(note10):
    model, folder = note10
    words = ("predict", model, "--table", folder / "note10_224.yaml")
    document = succeed(*words, "--json").document
    assert document["latency_ms"] == pytest.approx(30, rel=0.01)
    assert document["interval_ms"][0] <= 30 <= document["interval_ms"][1]
    assert document["evidence"] == "predicted"
    assert document["extrapolates"] is False
    assert "replayed" in document["fitted_on"]
    assert sum(row["latency_ms"] for row in document["kernels"]) == pytest.approx(
        document["latency_ms"]
    )
    assert {row["op"] for row in document["kernels"]} >= {"Conv", "expanded_conv", "Logits"}
    assert succeed(*words).out.startswith("29.97 ms predicted, 90 % interval 28.78 to 31.15 ms\n")


def test_another_resolution_is_not_in_the_table(note10):
    model, folder = note10
    words = ("predict", model, "--table", folder / "note10_192.yaml")
    message = refuse(1, "cost.not-in-table", *words)
    assert str(model) in message
    assert "192x192x3" in message


def test_a_table_without_deviations_gives_no_interval(tmp_path):
    table = tmp_path / "board.json"
    table.write_text(json.dumps([]))
    refuse(1, "cost.table-precision", "predict", MODEL, "--table", table)
    refuse(2, "usage.table", "predict", MODEL, "--table", table, "--threads", 1)
