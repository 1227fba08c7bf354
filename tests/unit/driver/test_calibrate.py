"""Calibrating a target: nothing is measured twice, failures are borne or explained."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from fpc.costmodel.model import read_model
from fpc.diagnostics.errors import CostModelError, MeasureError, UsageError
from fpc.driver.measure.calibrate import Calibrated, CalibrateOptions, calibrate, calibration_config
from fpc.measure.samples.database import SampleDatabase
from fpc.targets import catalog
from tests.calibration_runner import PRICES, ComputingRunner, prepare

NETWORKS = 16
ROUNDS = 2


def run(folder: Path, runner: ComputingRunner, *, threads: int = 1) -> Calibrated:
    options = CalibrateOptions("my-board", folder, networks=NETWORKS, rounds=ROUNDS)
    return calibrate(options, prepare, runner, calibration_config(threads, 120.0))


def test_the_machine_is_recognised_and_its_prices_found(tmp_path):
    runner = ComputingRunner()
    done = run(tmp_path, runner)
    assert done.failures == ()
    assert set(Counter(runner.asked).values()) == {ROUNDS}
    assert runner.asked[:NETWORKS] == runner.asked[NETWORKS : 2 * NETWORKS]
    model = read_model(tmp_path / "my-board.json")
    assert model == done.fitted.model
    assert model.features == "xnnpack-amx"
    assert model.provenance.mape_percent < 1e-6
    assert model.vector == pytest.approx(PRICES)
    assert done.fitted.out_of_fold_ms() == pytest.approx(done.fitted.networks.latency_ms)


def test_the_new_target_is_the_old_one_with_prices_of_its_own(tmp_path):
    run(tmp_path, ComputingRunner())
    target, host = catalog.load(str(tmp_path / "my-board.toml")), catalog.load("host")
    assert (target.name, target.evidence) == ("my-board", "measured")
    assert target.title == "a board, LiteRT 9.9"
    assert target.cost_model == str(tmp_path / "my-board.json")
    assert target.limits == host.limits
    assert target.quantisation == host.quantisation
    assert target.sources[-1] == "latencies of 16 networks drawn by fpc on 2026-01-02"


def test_an_interrupted_calibration_goes_on_where_it_stopped(tmp_path):
    first, second = ComputingRunner(patience=NETWORKS + 5), ComputingRunner()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, first)
    assert [path.name for path in tmp_path.iterdir() if path.suffix in {".toml", ".json"}] == []
    run(tmp_path, second)
    assert set(Counter(first.asked + second.asked).values()) == {ROUNDS}
    assert second.asked[: NETWORKS - 5] == first.asked[5:NETWORKS]
    with SampleDatabase(tmp_path / "my-board.db") as database:
        assert len(database) == NETWORKS * ROUNDS


def test_a_finished_calibration_measures_nothing_again(tmp_path):
    run(tmp_path, ComputingRunner())
    (tmp_path / "my-board.toml").unlink()
    (tmp_path / "my-board.json").unlink()
    again = ComputingRunner()
    run(tmp_path, again)
    assert again.asked == []


def test_samples_with_other_threads_do_not_count(tmp_path):
    run(tmp_path, ComputingRunner())
    (tmp_path / "my-board.toml").unlink()
    (tmp_path / "my-board.json").unlink()
    again = ComputingRunner()
    run(tmp_path, again, threads=2)
    assert len(again.asked) == NETWORKS * ROUNDS
    assert read_model(tmp_path / "my-board.json").condition.threads == 2


def test_a_network_that_the_device_refuses_is_left_out(tmp_path):
    runner = ComputingRunner(failing=("partial",))
    done = run(tmp_path, runner)
    assert {failure.name for failure in done.failures} == {"partial_6", "partial_14"}
    assert Counter(runner.asked)["partial_6"] == 1
    assert done.fitted.model.provenance.rows == NETWORKS - 2


def test_a_dead_runner_is_given_up_at_once(tmp_path):
    runner = ComputingRunner(failing=("",))
    with pytest.raises(MeasureError, match="it is dead") as caught:
        run(tmp_path, runner)
    assert caught.value.code == "measure.runner-died"
    assert len(runner.asked) == 3
    assert not (tmp_path / "my-board.toml").exists()


def test_too_many_failures_are_an_error_that_names_them(tmp_path):
    with pytest.raises(MeasureError, match="6 of 16 networks") as caught:
        run(tmp_path, ComputingRunner(failing=("partial", "inverted", "shuffled")))
    assert caught.value.code == "measure.calibration"
    assert "shuffled_7: it is dead" in caught.value.notes
    assert not (tmp_path / "my-board.json").exists()


def test_what_is_there_already_is_not_overwritten(tmp_path):
    (tmp_path / "my-board.json").write_text("{}")
    with pytest.raises(UsageError, match="exists already"):
        run(tmp_path, ComputingRunner())


def test_samples_of_two_devices_are_not_mixed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, ComputingRunner(patience=4))
    with pytest.raises(CostModelError) as caught:
        run(tmp_path, ComputingRunner(device="another board"))
    assert caught.value.code == "cost.several-conditions"
    assert [note.partition(",")[0] for note in caught.value.notes] == ["a board", "another board"]
