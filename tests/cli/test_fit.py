"""`fpc fit`: from a database of samples to a file that `fpc predict` uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fpc.costmodel.cpu_features import CPU
from fpc.costmodel.kernels import kernels_of
from fpc.ir.graph import Graph
from fpc.measure.protocol import Condition, Timing
from fpc.measure.samples.database import SampleDatabase
from fpc.measure.samples.network_text import shape_only_text
from fpc.measure.samples.sample import Sample
from fpc.zoo.catalog import build
from tests.cli.digits import MODEL
from tests.cli.invoke import refuse, succeed

BOARD = Condition("a board", "LiteRT 9.9", 2)


def sizes() -> Iterator[Graph]:
    for width in (0.25, 0.5, 0.75, 1.0):
        for resolution in (96, 128, 160, 224):
            yield build("mobilenet_v2", width=width, resolution=resolution)


def sample(graph: Graph, number: int, factor: float = 1.0) -> Sample:
    """A measurement whose latency is a twentieth of the roofline."""
    works = [kernel.work for kernel in kernels_of(graph)]
    latency = float(CPU.of_network(works) @ CPU.prior) * 0.05 * factor
    timing = Timing(
        name=f"network {number}",
        model_sha256=f"{number:064x}",
        precision="int8",
        runs=(latency, latency, latency),
        unit="ms",
        evidence="measured",
        condition=BOARD,
        date="2026-01-02T03:04:05+00:00",
    )
    return Sample(timing, "0.1.0", 1, shape_only_text(graph))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen networks, each measured three times, once far too slow."""
    path = tmp_path_factory.mktemp("samples") / "samples.db"
    with SampleDatabase(path, create=True) as opened:
        for factor in (1.0, 9.0, 1.0):
            opened.add_all(sample(graph, n, factor) for n, graph in enumerate(sizes()))
    return path


def test_a_fitted_file_predicts_what_was_measured(database, tmp_path):
    file = tmp_path / "board.json"
    words = ("fit", "--target", "rpi4-arm", "--from", database, "-o", file)
    found = succeed(*words, "--json").document
    assert found["rows"] == 16
    assert found["evidence"] == "measured"
    assert found["mape_percent"] < 0.01
    assert found["condition"] == "a board, LiteRT 9.9, 2 threads, int8"
    predicted = succeed("predict", MODEL, "--cost-model", file, "--json").document
    assert predicted["condition"] == found["condition"]
    assert predicted["fitted_on"].startswith("16 networks of the user's (measured)")
    assert "adds" in succeed(*words).out


def test_conditions_are_never_mixed(database, tmp_path):
    path = tmp_path / "two.db"
    with SampleDatabase(database) as one, SampleDatabase(path, create=True) as two:
        given = one.samples()
        two.add_all(given)
        for old in given:
            timing = replace(old.timing, condition=replace(BOARD, threads=4))
            two.add(replace(old, timing=timing))
    words = ("fit", "--target", "board", "--from", path, "-o", tmp_path / "board.json")
    message = refuse(1, "cost.several-conditions", *words)
    assert "4 threads" in message
    assert "2 threads" in message
    assert succeed(*words, "--threads", 4, "--json").document["rows"] == 16


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--float",), "cost.no-samples"),
        (("--runtime", "caffe"), "cost.no-samples"),
        (("--features", "gpu"), "cost.unknown-features"),
        (("--from", "absent.db"), "measure.samples-missing"),
        (("-o", "/nowhere/board.json"), "usage.output"),
    ],
)
def test_what_cannot_be_fitted_is_refused(database, tmp_path, monkeypatch, words, code):
    monkeypatch.chdir(tmp_path)
    refuse_status = 2 if code.startswith("usage") else 1
    refuse(refuse_status, code, "fit", "--target", "board", "--from", database, *words)
    assert list(tmp_path.iterdir()) == []


def test_a_few_samples_are_too_few(tmp_path):
    path = tmp_path / "few.db"
    with SampleDatabase(path, create=True) as opened:
        opened.add_all(sample(graph, n) for n, graph in zip(range(4), sizes(), strict=False))
    assert "40" in refuse(1, "cost.too-few-rows", "fit", "--target", "board", "--from", path)


def test_samples_of_finished_files_cannot_be_fitted(tmp_path):
    path = tmp_path / "files.db"
    with SampleDatabase(path, create=True) as opened:
        opened.add(replace(sample(build("fpnet_dsp"), 1), graph=""))
    refuse(1, "measure.samples-no-graph", "fit", "--target", "board", "--from", path)
