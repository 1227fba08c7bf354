"""Measuring on a farm of boards: the figures, every way to lose a board, and nothing lost by it."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fpc.backends.tvm.isa.table import isa_of_this_machine
from fpc.diagnostics.errors import FpcError, MeasureError, UsageError
from fpc.driver.measure.models import measure_models
from fpc.driver.phases.backend import TvmBackend
from fpc.measure.process.child import timed_out
from fpc.measure.protocol import Expected, Failure, MeasureConfig, Request, Timing
from fpc.measure.samples.database import SampleDatabase
from fpc.measure.samples.sample import Sample
from fpc.measure.tvm_rpc import runner
from fpc.measure.tvm_rpc.runner import TvmRpcRunner
from fpc.measure.tvm_rpc.tracker import Tracker
from tests.backends.tvm.artifacts import draw_inputs, forked, interpreted
from tests.backends.tvm.farm import Farm, free_port, is_serving, until
from tests.cli.invoke import refuse, succeed
from tests.cli.networks import two_inputs

QUICK = MeasureConfig(warm_up=1, warm_up_s=0.0, least_time_s=0.0, time_limit_s=0.1)
SLOW = replace(QUICK, warm_up_s=1.0)
"""Long enough that a board can be lost meanwhile."""


@cache
def request(name: str = "forked", *, off_by: int = 0) -> Request:
    graph = forked()
    inputs = draw_inputs(graph)
    outputs = tuple(output + np.int8(off_by) for output in interpreted(graph, inputs))
    expected = Expected(inputs, outputs, (0.0, 0.0), float("inf"), "the interpreter")
    content = TvmBackend(isa_of_this_machine()).emit(graph, {}).content
    return Request(name, content, "ab" * 32, "int8", expected)


def only_failure(tracker: Tracker, model: Request | None = None) -> FpcError:
    [answer] = TvmRpcRunner(tracker).run([model or request()], QUICK)
    assert isinstance(answer, Failure)
    assert answer.error.model == answer.name
    return answer.error


def cutting_power(farm: Farm, boards: Sequence[subprocess.Popen[bytes]]) -> threading.Thread:
    """Kill the first board of `boards` that is at work, in the middle of it."""

    def wait() -> None:
        until(lambda: any(map(is_serving, boards)))
        time.sleep(0.4)
        farm.kill(next(board for board in boards if is_serving(board)))

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_board_measures_with_its_own_clock(farm: Farm) -> None:
    [timing] = TvmRpcRunner(farm.reached("steady")).run([request()], QUICK)
    assert isinstance(timing, Timing)
    assert len(timing.runs) >= QUICK.least_repeats
    assert (timing.unit, timing.evidence) == ("ms", "measured")
    assert timing.condition.device.startswith("steady")
    assert timing.condition.runtime.startswith("TVM 0.27.0")
    assert timing.frames_per_second is None


def test_wrong_outputs_are_not_believed_and_the_next_model_is_measured(farm: Farm) -> None:
    wrong, right = TvmRpcRunner(farm.reached("steady")).run([request(off_by=1), request()], QUICK)
    assert isinstance(wrong, Failure)
    assert wrong.error.code == "measure.wrong-outputs"
    assert isinstance(right, Timing)


def test_a_board_lost_in_the_middle_is_replaced_and_nothing_is_lost(
    farm: Farm, tmp_path: Path
) -> None:
    boards = farm.add_boards("fragile", 2)
    killer = cutting_power(farm, boards)
    paths = [Path("first.onnx"), Path("second.onnx")]
    with SampleDatabase(tmp_path / "samples.db", create=True) as database:
        answers = list(
            measure_models(
                paths,
                lambda path: replace(request(), name=Path(path).stem),
                TvmRpcRunner(farm.reached("fragile")),
                SLOW,
                database=database,
            )
        )
        killer.join()
        assert farm.keys().count("fragile") == 1
        assert all(isinstance(answer, Sample) for answer in answers)
        assert [sample.timing.name for sample in database.samples()] == ["first", "second"]
        assert list(database.samples()) == answers
    [survivor] = [board for board in boards if board.returncode is None]
    farm.kill(survivor)


def test_the_last_board_lost_is_a_failure_that_says_so(farm: Farm) -> None:
    killer = cutting_power(farm, farm.add_boards("last"))
    models = [request(), replace(request(), name="next")]
    lost, left_out = TvmRpcRunner(farm.reached("last")).run(models, SLOW)
    killer.join()
    assert isinstance(lost, Failure)
    assert lost.error.code == "measure.board-lost"
    assert any("no board of the key `last`" in note for note in lost.error.notes)
    assert isinstance(left_out, Failure)
    assert left_out.error.code == "measure.no-board"


def test_a_board_without_power_is_lost_rather_than_slow(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    [board] = farm.add_boards("dark")

    def run_program(*_: object) -> None:
        farm.kill(board)
        raise timed_out(5.0)

    monkeypatch.setattr(runner, "run_program", run_program)
    error = only_failure(farm.reached("dark"))
    assert error.code == "measure.board-lost"
    assert error.notes[0] == "no answer after 5 s"


def test_a_board_with_another_tvm(farm: Farm) -> None:
    prelude = (
        "def fail(path): raise RuntimeError('undefined symbol: TVMFFIErrorMoveFromRaised')\n"
        "tvm.rpc.server._load_module = fail"
    )
    [board] = farm.add_boards("other-release", prelude=prelude)
    error = only_failure(farm.reached("other-release"))
    farm.kill(board)
    assert error.code == "measure.board-runtime"
    assert any("undefined symbol" in note for note in error.notes)
    assert "apache-tvm==" in error.help
    assert "apache-tvm-ffi==" in error.help


def test_a_key_that_no_board_has(farm: Farm) -> None:
    error = only_failure(farm.reached("hexagon"))
    assert error.code == "measure.no-board"
    assert error.notes == ("registered: steady",)
    assert f"--tracker={farm.place} --key=hexagon" in error.help


def test_the_only_key_need_not_be_told(farm: Farm) -> None:
    assert farm.reached().wanted_key() == "steady"
    [board] = farm.add_boards("another")
    with pytest.raises(MeasureError, match="several keys") as caught:
        farm.reached().wanted_key()
    farm.kill(board)
    assert caught.value.notes == ("registered: another, steady",)


def test_boards_that_are_busy(farm: Farm) -> None:
    [board] = farm.add_boards("busy")
    taken = farm.reached().request("busy", 5.0)
    with pytest.raises(MeasureError, match=r"free within 0\.2 s") as caught:
        farm.reached().request("busy", 0.2)
    assert caught.value.code == "measure.boards-busy"
    assert taken.answers()
    farm.kill(board)
    assert not taken.answers()


def test_nothing_or_something_else_where_the_tracker_should_be(farm: Farm) -> None:
    port = free_port()
    error = only_failure(Tracker("127.0.0.1", port))
    assert error.code == "measure.tracker-unreachable"
    assert f"rpc_tracker --port {port}" in error.help
    board = farm.reached().request("steady", 10.0)
    error = only_failure(Tracker(board.host, board.port))
    assert error.code == "measure.tracker-unreachable"


@pytest.mark.parametrize(
    ("text", "tracker"),
    [
        ("10.0.0.7:9190/rpi4", Tracker("10.0.0.7", 9190, "rpi4")),
        ("farm:9190", Tracker("farm", 9190)),
        ("[::1]:9190/a/b", Tracker("::1", 9190, "a/b")),
    ],
)
def test_how_a_tracker_is_named(text: str, tracker: Tracker) -> None:
    assert Tracker.parse(text) == tracker


@pytest.mark.parametrize("text", ["", "farm", "farm:0/k", "farm:70000/k", "farm:x/k", "farm:1/"])
def test_what_names_no_tracker(text: str) -> None:
    with pytest.raises(UsageError, match="names no tracker"):
        Tracker.parse(text)


def test_from_the_command_line(farm: Farm, tmp_path: Path) -> None:
    on = ("--on", f"tvm-rpc:{farm.place}/steady")
    words = ("--repeats", "6", "--time-limit", "0.1", "--db", tmp_path / "samples.db", "--json")
    model = two_inputs(tmp_path / "net.onnx")
    [sample] = succeed("measure", model, *on, *words).document["samples"]
    assert sample["evidence"] == "measured"
    assert sample["condition"]["device"].startswith("steady")
    with SampleDatabase(tmp_path / "samples.db") as database:
        [kept] = database.samples()
    assert kept.timing.median == sample["latency_ms"]


def test_what_a_farm_is_not_asked_for(farm: Farm, tmp_path: Path) -> None:
    model = two_inputs(tmp_path / "net.onnx")
    on = ("--on", f"tvm-rpc:{farm.place}/steady")
    told = refuse(2, "usage.on", "measure", model, *on, "--backend", "tflite")
    assert "leave --backend out" in told
    refuse(2, "usage.on", "calibrate-target", "mine", *on)
    nowhere = f"tvm-rpc:127.0.0.1:{free_port()}/steady"
    refuse(1, "measure.tracker-unreachable", "measure", model, "--on", nowhere)
    refuse(1, "measure.no-board", "measure", model, "--on", f"tvm-rpc:{farm.place}/hexagon")
    with pytest.raises(UsageError, match="one network in one thread"):
        list(TvmRpcRunner(farm.reached()).run([request()], replace(QUICK, threads=2)))
