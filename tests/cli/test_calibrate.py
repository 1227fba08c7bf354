"""`fpc calibrate-target`: from recorded samples to a target that `fpc predict` takes."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from fpc.cli.console import progress_bars
from fpc.driver.measure.calibrate import CalibrateOptions, calibrate, calibration_config
from tests.calibration_runner import ComputingRunner, prepare
from tests.cli.digits import MODEL
from tests.cli.invoke import fpc, refuse, succeed

NETWORKS = 16


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an earlier calibration left."""
    folder = tmp_path_factory.mktemp("earlier")
    options = CalibrateOptions("earlier", folder, networks=NETWORKS, rounds=1)
    with progress_bars(enabled=False) as progress:
        calibrate(options, prepare, ComputingRunner(), calibration_config(1, 120.0), progress)
    return options.samples_file


def words(database: Path, folder: Path, *others: object) -> tuple[object, ...]:
    return (
        *("calibrate-target", "my-board", "--on", "replay", "--networks", NETWORKS),
        *("--db", database, "-o", folder, *others),
    )


def test_a_calibrated_target_predicts_and_compiles(database, tmp_path, golden):
    found = succeed(*words(database, tmp_path)).out
    assert found.replace(str(tmp_path), "FOLDER").replace(str(database), "DATABASE") == golden
    target = tmp_path / "my-board.toml"
    predicted = succeed("predict", MODEL, "--target", target, "--json").document
    assert predicted["condition"] == "a board, LiteRT 9.9, 1 thread, int8"
    assert predicted["fitted_on"] == "16 networks drawn by fpc (measured): earlier.db"
    refuse(1, "cost.no-model", "predict", MODEL, "--target", target, "--float")
    assert succeed("targets", target, "--json").document["title"] == "a board, LiteRT 9.9"


def test_document(database, tmp_path):
    found = succeed(*words(database, tmp_path, "--json")).document
    assert found["target"] == str(tmp_path / "my-board.toml")
    assert found["file"] == str(tmp_path / "my-board.json")
    assert found["features"] == "xnnpack-amx"
    assert found["mape_percent"] < 0.01
    assert found["rows"] == NETWORKS
    assert found["failures"] == {}


def test_help(golden, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERMINAL_WIDTH", "100")
    outcome = fpc("calibrate-target", "--help")
    assert outcome.status == 0
    assert outcome.out == golden


@pytest.mark.parametrize(
    ("others", "code"),
    [
        (("--like", "my-boad"), "target.unknown"),
        (("--features", "gpu"), "cost.unknown-features"),
        (("--networks", 3), "usage.networks"),
        (("--on", "qemu"), "usage.on"),
        (("--on", "ssh:"), "usage.board"),
        (("--threads", 0), "usage.measure-config"),
        (("--plot", "fit.doc"), "usage.plot"),
        (("--db", "absent.db"), "usage.db"),
        (("-o", "absent"), "usage.output"),
        (("--threads", 4), "measure.not-recorded"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(database, tmp_path, others, code):
    status = 2 if code.startswith("usage") else 1
    refuse(status, code, *words(database, tmp_path, *others))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["host", "My Board", "../board", ""])
def test_names_that_no_new_target_can_have(name, database, tmp_path):
    given = ("calibrate-target", name, "--on", "replay", "--db", database, "-o", tmp_path)
    assert "target" in refuse(2, "usage.target-name", *given)


def test_a_target_is_not_overwritten(database, tmp_path):
    (tmp_path / "my-board.toml").write_text("mine")
    refuse(2, "usage.output", *words(database, tmp_path))
    assert (tmp_path / "my-board.toml").read_text() == "mine"


def test_a_picture_needs_matplotlib(database, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    given = words(database, tmp_path, "--plot", tmp_path / "fit.png")
    assert "fpc[plot]" in refuse(3, "backend.missing", *given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)
@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_a_picture_is_drawn(database, tmp_path, suffix, start):
    file = tmp_path / f"fit.{suffix}"
    succeed(*words(database, tmp_path, "--plot", file))
    assert file.read_bytes().startswith(start)


def test_without_a_place_to_write_nothing_is_measured(database, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    tmp_path.chmod(0o500)
    refuse(2, "usage.output", *words(database, tmp_path))
