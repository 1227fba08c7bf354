"""`fpc measure`: tables and documents of what LiteRT took, samples kept, failures told apart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fpc.measure.samples.csv import read_csv
from fpc.measure.samples.database import SampleDatabase
from tests.cli.digits import MODEL
from tests.cli.invoke import fpc, refuse, succeed
from tests.cli.networks import silu, two_inputs

QUICK = ("--time-limit", 0.05, "--warm-up", 1)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the digits network in two precisions, the int8 one measured twice."""
    path = tmp_path_factory.mktemp("samples") / "samples.db"
    succeed("measure", MODEL, *QUICK, "--rounds", 2, "--db", path)
    succeed("measure", MODEL, *QUICK, "--float", "--db", path)
    return path


def test_samples_say_what_was_measured(recorded):
    with SampleDatabase(recorded) as database:
        samples = database.samples()
    assert [one.timing.precision for one in samples] == ["int8", "int8", "float32"]
    assert {one.timing.evidence for one in samples} == {"measured"}
    assert len({one.timing.model_sha256 for one in samples}) == 1
    assert samples[0].multiply_adds == samples[2].multiply_adds
    assert samples[0].multiply_adds is not None
    graph = samples[0].rebuilt_graph()
    assert all(value.constant.is_abstract for value in graph.constants if value.type.size > 8)
    assert {"conv2d", "dense"} & {node.op.mnemonic for node in graph}
    assert len(samples[0].graph) < 20_000


def test_document_of_a_measurement(compiled):
    document = succeed("measure", compiled() / "model.tflite", *QUICK, "--json").document
    [row] = document["samples"]
    assert document["failures"] == []
    assert row["name"] == "out"
    assert row["precision"] == "float32"
    assert row["evidence"] == "measured"
    assert row["condition"]["runtime"].startswith("LiteRT ")
    assert row["interval_ms"][0] <= row["latency_ms"] <= row["interval_ms"][1]
    assert len(row["runs_ms"]) >= 20


def test_table_names_evidence_and_condition(compiled):
    out = succeed("measure", compiled() / "model.tflite", *QUICK, "--workers", 2).out
    heading, columns, row = out.splitlines()
    assert heading.startswith("measured: ")
    assert heading.endswith("2 workers of 1 thread")
    assert columns.split()[-2:] == ["runs", "frames/s"]
    assert row.split()[:2] == ["out", "float32"]


def test_replay_repeats_itself(recorded):
    words = ("measure", MODEL, "--on", "replay", "--db", recorded)
    first = succeed(*words, "--json").document
    assert first == succeed(*words, "--json").document
    [row] = first["samples"]
    with SampleDatabase(recorded) as database:
        latest = database.samples()[1].timing
    assert row["evidence"] == "replayed"
    assert row["runs_ms"] == list(latest.runs)
    assert row["date"] == latest.date
    assert succeed(*words).out.startswith("replayed: ")


def test_samples_go_to_csv_and_back(recorded, tmp_path):
    table = tmp_path / "samples.csv"
    succeed("measure", "--db", recorded, "--csv", table)
    with SampleDatabase(recorded) as database:
        assert read_csv(table) == database.samples()
    replayed = [
        succeed("measure", MODEL, "--on", "replay", "--db", path, "--json").out
        for path in (recorded, table)
    ]
    assert replayed[0] == replayed[1]


def test_networks_with_several_inputs_or_maps(tmp_path):
    models = [two_inputs(tmp_path / "two.onnx"), silu(tmp_path / "silu.onnx")]
    words = ("measure", *models, *QUICK, "--json", "--csv", tmp_path / "samples.csv")
    rows = succeed(*words).document["samples"]
    assert [row["name"] for row in rows] == ["two", "silu"]
    assert [one.timing.name for one in read_csv(tmp_path / "samples.csv")] == ["two", "silu"]


def test_a_bad_model_is_told_and_the_others_measured(tmp_path, compiled):
    broken, good = tmp_path / "broken.tflite", compiled() / "model.tflite"
    broken.write_bytes(b"\0" * 64)
    words = ("measure", broken, good, *QUICK, "--db", tmp_path / "samples.db")
    outcome = fpc(*words, "--rounds", 2)
    assert outcome.status == 1
    assert outcome.out.count("float32") == 2
    assert outcome.err.startswith("error[model.broken-tflite]: ")
    assert outcome.err.count("error[") == 1
    assert str(broken) in outcome.err
    document = fpc(*words, "--json").document
    assert [row["name"] for row in document["samples"]] == ["out"]
    assert [row["code"] for row in document["failures"]] == ["model.broken-tflite"]
    with SampleDatabase(tmp_path / "samples.db") as database:
        assert len(database) == 3


def test_a_model_that_takes_too_long_is_given_up(compiled):
    """Warming up takes a quarter of a second, and starting Python more than the rest."""
    words = ("--time-limit", 0.01, "--timeout", 0.28)
    refuse(1, "measure.timeout", "measure", compiled() / "model.tflite", *words)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_keeps_its_finished_samples(tmp_path, compiled, kind):
    path = tmp_path / "samples.db"
    model = str(compiled() / "model.tflite")
    words = ["measure", model, "--time-limit", "0.05", "--rounds", "1000", "--db", str(path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "fpc", *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    while not (path.is_file() and _count(path) >= 2):
        assert process.poll() is None
        time.sleep(0.1)
    os.kill(process.pid, kind)
    _, error = process.communicate(timeout=60)
    kept = _count(path)
    assert kept >= 2
    with SampleDatabase(path) as database:
        assert {one.timing.name for one in database.samples()} == {"out"}
    if kind == signal.SIGINT:
        assert process.returncode == 130
        assert error.startswith(b"error[measure.interrupted]: ")
        assert f"the {kept} samples finished before are in {path}".encode() in error


def _count(path: Path) -> int:
    with SampleDatabase(path, create=True) as database:
        return len(database)


def test_wrong_usage(tmp_path, recorded):
    def refused(code: str, *words: object) -> str:
        return refuse(2, f"usage.{code}", "measure", *words)

    refused("model-missing")
    refused("model-missing", tmp_path / "none.onnx")
    refused("model-missing", "--db", recorded)
    refused("model-format", recorded)
    refused("measure-config", MODEL, "--on", "qemu", "--threads", 2)
    assert "`replay`" in refused("on", MODEL, "--on", "reply")
    refused("db", MODEL, "--on", "replay")
    refused("precision", MODEL, "--float", "--int16")
    refused("pin", MODEL, "--pin", "first")
    refused("pin", MODEL, "--pin", "9999")
    refused("measure-config", MODEL, "--threads", 0)
    refused("measure-config", MODEL, "--time-limit", 200)
    refused("output", MODEL, "--csv", tmp_path / "none" / "x.csv")


def test_counting_without_an_arm_root_says_what_is_missing(tmp_path):
    words = ("measure", MODEL, "--target", "rpi4-arm", "--on", "qemu", "--arm-root", tmp_path)
    message = refuse(3, "backend.missing", *words)
    assert "help: " in message


def test_samples_that_cannot_be_used(tmp_path, recorded):
    words = ("measure", MODEL, "--on", "replay", "--db")
    refuse(1, "measure.samples-missing", *words, tmp_path / "none.db")
    (tmp_path / "foreign.db").write_text("latency")
    refuse(1, "measure.samples-foreign", *words, tmp_path / "foreign.db")
    refuse(1, "measure.samples-foreign", "measure", MODEL, "--db", tmp_path / "foreign.db")
    refuse(1, "measure.not-recorded", *words, recorded, "--threads", 2)
