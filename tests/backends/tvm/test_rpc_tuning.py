"""Tuning on a farm of boards: every way to lose one, and nothing lost by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fpc.backends.tvm.isa.neon_mlal import NEON_MLAL
from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.backends.tvm.tuning.tables import tiles_of_file
from fpc.backends.tvm.tuning.tile_space import tile_space
from fpc.diagnostics.errors import MeasureError
from fpc.driver.tune.kernel import Refusal, costs_of
from fpc.driver.tune.tiles import TuneOptions, tune
from fpc.measure.emulation.emulator import ArmEmulator
from fpc.measure.kernels.on_boards import BoardKernelRunner
from tests.backends.arm.tvm import emulated
from tests.backends.tvm.cases import pointwise_case, two_layers
from tests.backends.tvm.farm import Farm
from tests.cli.digits import MODEL
from tests.cli.invoke import refuse, succeed

HERE = isa_of_this_machine()


def failing(file: Path, after: int) -> str:
    """The prelude of boards that lose power when they load a library, once `after` were loaded."""
    return f"""
import os, pathlib, signal
load = tvm.rpc.server._load_module
def load_or_fail(path):
    loaded = pathlib.Path({str(file)!r})
    with loaded.open("a") as file:
        file.write(".")
    if len(loaded.read_text()) > {after}:
        os.killpg(0, signal.SIGKILL)
    return load(path)
tvm.rpc.server._load_module = load_or_fail
"""


def test_kernels_are_checked_and_timed_on_a_board(farm: Farm) -> None:
    case = pointwise_case(HERE)
    runner = BoardKernelRunner(farm.reached("steady"))
    condition = runner.condition()
    assert condition.machine.startswith("steady")
    assert (condition.evidence, condition.unit) == ("measured", "us")
    candidates = list(tile_space(case.kernel, HERE))[:3]
    for cost in costs_of(case, candidates, HERE, runner):
        assert isinstance(cost, float)
        assert 0 < cost < 1e6
    wrong = replace(case, expected=case.expected ^ 1)
    [answer] = costs_of(wrong, candidates[:1], HERE, runner)
    assert answer == Refusal(f"{4 * 8 * 40} elements of its result are wrong")


def test_a_board_lost_in_the_middle_is_replaced_and_nothing_is_lost(
    farm: Farm, tmp_path: Path
) -> None:
    """Boards take turns: of three sessions, two for kernels, one is with the board that fails."""
    boards = farm.add_boards("fragile", prelude=failing(tmp_path / "loaded", after=0))
    boards += farm.add_boards("fragile")
    options = TuneOptions(tmp_path / "tiles.json", on=farm.reached("fragile"))
    tuned = tune([two_layers()], options)
    assert (tuned.compared, tuned.left, tuned.refused) == (2, 0, ())
    assert farm.keys().count("fragile") == 1
    assert sum(len(one.kernels) for one in tiles_of_file(options.output, HERE).tunings) == 2
    for board in boards:
        farm.kill(board)


def test_the_last_board_lost_ends_it_and_another_one_goes_on_there(
    farm: Farm, tmp_path: Path
) -> None:
    [first] = farm.add_boards("last", prelude=failing(tmp_path / "loaded", after=1))
    options = TuneOptions(tmp_path / "tiles.json", on=farm.reached("last"))
    with pytest.raises(MeasureError) as caught:
        tune([two_layers()], options)
    assert caught.value.code == "measure.board-lost"
    assert any("no board of the key `last`" in note for note in caught.value.notes)
    [kept] = tiles_of_file(options.output, HERE).tunings
    assert len(kept.kernels) == 1
    [second] = farm.add_boards("last")
    tuned = tune([two_layers()], options)
    assert (tuned.compared, tuned.left) == (1, 0)
    [network] = tuned.networks
    assert (network.kernels, network.known) == (2, 2)
    for board in (first, second):
        farm.kill(board)


@emulated
@pytest.mark.slow
def test_an_emulated_board_is_right_and_its_time_is_none(farm: Farm) -> None:
    [board] = farm.add_boards("a72", python=ArmEmulator.at_hand().python())
    runner = BoardKernelRunner(farm.reached("a72"))
    condition = runner.condition()
    assert condition.machine == "a72 (aarch64), emulated"
    assert (condition.evidence, condition.unit) == ("simulated", "emulated_us")
    case = pointwise_case(NEON_MLAL)
    [cost] = costs_of(case, [case.kernel], NEON_MLAL, runner)
    assert isinstance(cost, float)
    assert cost > 0
    farm.kill(board)


def test_from_the_command_line(farm: Farm, tmp_path: Path) -> None:
    output = tmp_path / "tiles.json"
    on = ("--on", f"tvm-rpc:{farm.place}/steady")
    words = ("--budget", "0", "-o", output)
    document = succeed("tune", MODEL, *on, *words, "--json").document
    assert document["machine"].startswith("steady")
    assert document["left"] > 0
    refuse(1, "measure.no-board", "tune", MODEL, "--on", f"tvm-rpc:{farm.place}/other", *words)
    refuse(2, "usage.tracker", "tune", MODEL, "--on", "tvm-rpc:farm", *words)
    refuse(2, "usage.on", "tune", MODEL, "--on", "ssh:pi", *words)
    refuse(2, "usage.tune-target", "tune", MODEL, "--on", "qemu", *words)
