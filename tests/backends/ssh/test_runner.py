"""Measuring on a board over ssh: the figures, every way to lose them, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fpc.diagnostics.errors import FpcError, MissingBackendError, UsageError
from fpc.measure.device import device_name
from fpc.measure.protocol import Failure, MeasureConfig, Request, Timing
from fpc.measure.samples.database import SampleDatabase
from fpc.measure.ssh.board import Board
from fpc.measure.ssh.runner import SshRunner
from tests.backends.ssh.board import LoopbackBoard, start
from tests.cli.invoke import fpc, refuse, succeed
from tests.unit.measure.fixtures import expected, request

QUICK = MeasureConfig(warm_up=1, warm_up_s=0.0, time_limit_s=0.05)
LONG = replace(QUICK, warm_up_s=60.0)
"""Warming up lasts until somebody ends it."""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackBoard]:
    board = start(tmp_path_factory.mktemp("board"))
    yield board
    board.stop()


def only_failure(
    board: Board, config: MeasureConfig = QUICK, model: Request | None = None
) -> FpcError:
    [answer] = SshRunner(board).run([model or request()], config)
    assert isinstance(answer, Failure)
    assert answer.error.model == answer.name
    return answer.error


def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds; processes that nobody waits for take their time to end."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_clean(board: LoopbackBoard) -> bool:
    return not any(board.temporary.iterdir())


def when_it_runs(board: LoopbackBoard, act: Callable[[Path], None]) -> threading.Thread:
    """Do `act` with the board's folder of a task as soon as it is being done."""

    def wait() -> None:
        until(lambda: any(board.temporary.glob("fpc-measure-*/task/plan.json")))
        [folder] = board.temporary.iterdir()
        until(lambda: measuring(folder))
        act(folder)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def measuring(folder: Path) -> int | None:
    """The number of the process whose working directory is `folder`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                return int(process.name)
        except OSError:
            continue
    return None


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_board_measures_with_its_own_clock_and_name(board):
    [timing] = SshRunner(board.reached()).run([request()], QUICK)
    assert isinstance(timing, Timing)
    assert len(timing.runs) >= QUICK.least_repeats
    assert (timing.unit, timing.evidence) == ("ms", "measured")
    assert timing.condition.device == device_name()
    assert timing.condition.runtime.startswith("LiteRT 2.")
    assert timing.frames_per_second is not None
    assert is_clean(board)


def test_wrong_outputs_are_not_believed_and_the_next_model_is_measured(board):
    models = [request("wrong", expected(0, 0, 1, 2)), request("right")]
    wrong, right = SshRunner(board.reached()).run(models, QUICK)
    assert isinstance(wrong, Failure)
    assert wrong.error.code == "measure.wrong-outputs"
    assert isinstance(right, Timing)
    assert is_clean(board)


def test_what_litert_says_on_the_board_comes_back(board):
    error = only_failure(board.reached(), model=replace(request(), content=b"\0" * 100))
    assert error.code == "measure.litert-load"
    assert is_clean(board)


def test_a_processor_that_the_board_has_not(board):
    error = only_failure(board.reached(), replace(QUICK, processors=(9999,)))
    assert error.code == "measure.pin"
    assert "9999" in error.message


def test_a_board_that_prints_when_somebody_enters(board):
    chatty = board.python("chatty", f'echo Welcome; exec {board.folder / "python"} "$@"')
    [timing] = SshRunner(board.reached(chatty)).run([request()], QUICK)
    assert isinstance(timing, Timing)


def test_a_missing_interpreter(board):
    error = only_failure(board.reached("no-such-python"))
    assert error.code == "measure.board-python"
    assert "no-such-python" in error.message
    assert any("not found" in note for note in error.notes)
    assert "--board-python" in error.help


def bare(board: LoopbackBoard) -> Path:
    return board.python("bare", f'exec {sys.executable} -S "$@"')


def test_missing_packages_are_named_with_the_cure(board):
    error = only_failure(board.reached(bare(board)))
    assert error.code == "measure.board-lacks"
    assert error.message.endswith("lacks numpy and ai-edge-litert")
    assert "pip install numpy ai-edge-litert" in error.help


def test_an_old_python_says_so(board):
    old = board.python(
        "old", f'exec {sys.executable} -S -c "import sys; sys.version_info = (3, 7, 3); $2"'
    )
    error = only_failure(board.reached(old))
    assert error.code == "measure.board-lacks"
    assert "Python 3.11" in error.message


def test_a_model_that_takes_too_long_is_ended_by_the_board(board):
    error = only_failure(board.reached(), replace(LONG, warm_up_s=0.9, timeout_s=1.0))
    assert error.code == "measure.timeout"
    assert "1 s" in error.message
    assert is_clean(board)


def test_a_board_that_says_nothing_is_given_up(board):
    silent = replace(board.reached(board.python("silent", "exec sleep 60")), patience_s=0.5)
    assert only_failure(silent, replace(QUICK, timeout_s=0.5)).code == "measure.timeout"


def test_an_answer_that_is_none(board):
    text = 'echo "fpc measures on this board"; echo "what else?"'
    assert only_failure(board.reached(board.python("liar", text))).code == "measure.runner-answer"


def test_a_model_that_kills_its_process(board):
    killer = when_it_runs(board, lambda folder: os.kill(measuring(folder), signal.SIGKILL))
    error = only_failure(board.reached(), LONG)
    killer.join()
    assert error.code == "measure.runner-died"
    assert "SIGKILL" in error.message
    assert is_clean(board)


def test_a_board_that_ends_its_sessions_cleans_up(board):
    killer = when_it_runs(
        board, lambda folder: os.kill(parent_of(measuring(folder)), signal.SIGTERM)
    )
    error = only_failure(board.reached(), LONG)
    killer.join()
    assert error.code == "measure.runner-died"
    assert "SIGTERM" in error.message
    assert is_clean(board)


def test_a_board_nobody_waits_for_stops_and_cleans_up(board):
    """The client gives up while the board still measures."""
    hasty = replace(board.reached(), patience_s=-59.0)
    seen: list[int] = []
    watcher = when_it_runs(board, lambda folder: seen.append(measuring(folder)))
    error = only_failure(hasty, replace(LONG, timeout_s=62.0))
    watcher.join()
    assert error.code == "measure.timeout"
    until(lambda: is_clean(board))
    assert not Path(f"/proc/{seen[0]}/cwd").exists()


def test_a_user_who_interrupts_leaves_nothing_running(board):
    user = when_it_runs(board, lambda folder: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        only_failure(board.reached(), LONG)
    user.join()
    until(lambda: is_clean(board))


def test_a_lost_board_cleans_up_on_its_own(tmp_path):
    lost = start(tmp_path)
    breaker = when_it_runs(lost, lambda folder: lost.stop())
    error = only_failure(lost.reached(), LONG)
    breaker.join()
    assert error.code == "measure.board-lost"
    until(lambda: is_clean(lost))
    error = only_failure(lost.reached())
    assert error.code == "measure.board-unreachable"
    assert any("refused" in note for note in error.notes)


@pytest.mark.parametrize(
    ("known", "unknown", "said"),
    [("known_hosts", "nothing", "Host key"), ("user_key", "host_key", "Permission denied")],
)
def test_strangers_are_not_asked_for_anything(board, known, unknown, said):
    """A host whose key is not known, and a key that the host does not know."""
    strange = board.folder / "strange"
    strange.write_text((board.folder / "config").read_text().replace(known, unknown))
    error = only_failure(replace(board.reached(), client=("ssh", "-F", str(strange))))
    assert error.code == "measure.board-unreachable"
    assert any(said in note for note in error.notes)


def test_without_ssh():
    runner = SshRunner(Board("somewhere", client=("no-such-ssh",)))
    with pytest.raises(MissingBackendError, match="no-such-ssh"):
        list(runner.run([request()], QUICK))


@pytest.mark.parametrize(
    "text", ["", "-oProxyCommand=x", "a b", "a@b@c", "host:", "host:x", "[::1"]
)
def test_what_names_no_board(text):
    with pytest.raises(UsageError, match="names no board"):
        Board(text)


@pytest.mark.parametrize("text", ["board", "pi@board", "pi@board.local:2222", "[fe80::1%eth0]:22"])
def test_what_names_a_board(text):
    assert f"ssh://{text}" in Board(text).command


def measure(
    board: LoopbackBoard, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[object, ...]:
    """`fpc measure` of a model in `folder`; `ssh` on the path has the board's configuration."""
    shim = folder / "ssh"
    shim.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} {" ".join(board.client[1:])} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    model = folder / "relu.tflite"
    model.write_bytes(request().content)
    on = ("--on", f"ssh:user@127.0.0.1:{board.port}", "--board-python", board.folder / "python")
    return ("measure", model, *on, "--time-limit", 0.05, "--warm-up", 1)


def test_command(board, tmp_path, monkeypatch):
    words = measure(board, tmp_path, monkeypatch)
    out = succeed(*words, "--db", tmp_path / "samples.db").out
    assert out.startswith(f"measured: {device_name()}, LiteRT 2.")
    with SampleDatabase(tmp_path / "samples.db") as database:
        [sample] = database.samples()
    assert sample.timing.evidence == "measured"
    assert "lacks" in refuse(1, "measure.board-lacks", *words, "--board-python", bare(board))
    assert "names no board" in refuse(2, "usage.board", *words[:2], "--on", "ssh:")
    assert "ssh:HOST" in refuse(2, "usage.on", *words[:2], "--on", "ssh")


def test_what_was_measured_before_the_board_was_lost_is_kept(tmp_path, monkeypatch):
    lost = start(tmp_path)
    path = tmp_path / "samples.db"

    def kept() -> int:
        if not path.exists():
            return 0
        with SampleDatabase(path, create=True) as database:
            return len(database)

    breaker = threading.Thread(target=lambda: (until(lambda: kept() >= 2), lost.stop()))
    words = measure(lost, tmp_path, monkeypatch)
    breaker.start()
    outcome = fpc(*words, "--rounds", 1000, "--db", path)
    breaker.join()
    assert outcome.status == 1
    assert "error[measure.board-" in outcome.err
    assert kept() == outcome.out.count("float32") >= 2
