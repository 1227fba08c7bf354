"""Running the measuring program on a board: over the system's ssh, with nothing but Python there.

One connection does it all. The program and its task go to the standard input of the board's Python,
the answer comes from its standard output, and nothing is left on the board (`board_program`).
"""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

from fpc.diagnostics.errors import MeasureError, MissingBackendError, UsageError
from fpc.ir.constant import Array
from fpc.measure.process.child import died, last_lines, timed_out
from fpc.measure.process.exchange import Plan, Result, read_answer, write_task
from fpc.measure.ssh.board_program import ANSWER, OUTCOME, START, TASK

_MODULES = (
    "__init__.py",
    "diagnostics/__init__.py",
    "diagnostics/errors.py",
    "diagnostics/location.py",
    "ir/__init__.py",
    "ir/constant.py",
    "measure/__init__.py",
    "measure/device.py",
    "measure/litert/__init__.py",
    "measure/litert/model.py",
    "measure/litert/program.py",
    "measure/median.py",
    "measure/process/__init__.py",
    "measure/process/exchange.py",
    "measure/process/timed_program.py",
    "measure/protocol.py",
)
"""What `fpc.measure.litert.program` imports of fpc."""

_BOOTSTRAP = "import sys; task = sys.stdin.buffer; exec(task.read(int(task.readline())))"

_OPTIONS = (
    "-T",
    *("-o", "BatchMode=yes"),
    *("-o", "RemoteCommand=none"),
    *("-o", "ConnectTimeout=10"),
    # A board without power is noticed within a quarter of a minute.
    *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"),
)
_FAILED = 255
"""What ssh itself exits with when there is no connection, or no longer one (ssh(1))."""

_DESTINATION = re.compile(
    r"([^@\s/]+@)?(\[[0-9a-fA-F:.]+(%\w+)?\]|[^@:\s/\[\]-][^@:\s/\[\]]*)(:\d+)?"
)


@dataclass(frozen=True)
class Board:
    """A machine that `ssh` reaches without asking anybody: `destination` is [user@]host[:port].

    `python` is the interpreter there, on the path or relative to the home directory; `client` is
    how ssh is called here. `patience_s` is the time for connecting and copying, which comes on top
    of that for measuring.
    """

    destination: str
    python: str = "python3"
    client: tuple[str, ...] = ("ssh",)
    patience_s: float = 60.0

    def __post_init__(self) -> None:
        if _DESTINATION.fullmatch(self.destination) is None:
            raise UsageError(
                "board",
                f"`{self.destination}` names no board",
                help="write host, user@host or user@host:port: --on ssh:pi@raspberrypi.local:22",
            )

    @property
    def command(self) -> tuple[str, ...]:
        """What starts the board's Python."""
        remote = f"exec {shlex.quote(self.python)} -c {shlex.quote(_BOOTSTRAP)}"
        return (*self.client, *_OPTIONS, f"ssh://{self.destination}", remote)


def run_on_board(
    board: Board, content: bytes, inputs: Sequence[Array], plan: Plan
) -> tuple[tuple[Array, ...], Result]:
    """The outputs and the result of LiteRT on `board`.

    `MeasureError`: `measure.board-unreachable`, `measure.board-lost`, `measure.board-python`,
    `measure.board-lacks`, or as for a program here (`fpc.measure.process.child.run_program`).
    """
    if shutil.which(board.client[0]) is None:
        raise MissingBackendError(
            "missing",
            f"{board.client[0]} is not installed, and measuring on a board needs it",
            help="install it (Debian: apt-get install openssh-client)",
        )
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as log:
        status = _converse(board, _task(content, inputs, plan), plan, (answer, log))
        answer.seek(0)
        log.seek(0)
        _, start, packed = answer.read().partition(START)
        if status != 0 or not start:
            raise _failed(board, status, log.read(), has_started=bool(start))
        return _unpacked(board, packed, log.read(), plan)


def _converse(board: Board, task: bytes, plan: Plan, outputs: tuple[IO[bytes], IO[bytes]]) -> int:
    """Send `task` and wait for the end: ssh's exit status, what it says in `outputs`.

    The input stays open meanwhile: its end tells the board that nobody waits for the answer.
    """
    answer, log = outputs
    # In a session of its own ssh does not hear Ctrl-C: this process does, and ends it below.
    process = subprocess.Popen(
        board.command, stdin=subprocess.PIPE, stdout=answer, stderr=log, start_new_session=True
    )
    assert process.stdin is not None
    sender = threading.Thread(target=_send, args=(process.stdin, task))
    sender.start()
    try:
        return process.wait(plan.config.timeout_s + board.patience_s)
    except subprocess.TimeoutExpired:
        raise timed_out(plan.config.timeout_s + board.patience_s) from None
    finally:
        process.kill()
        process.wait()
        sender.join()
        with suppress(BrokenPipeError):
            process.stdin.close()


def _send(pipe: IO[bytes], task: bytes) -> None:
    # ssh ends early when it cannot connect, and says so by its exit status.
    with suppress(BrokenPipeError):
        pipe.write(task)
        pipe.flush()


def _task(content: bytes, inputs: Sequence[Array], plan: Plan) -> bytes:
    """What `_BOOTSTRAP` reads: the board's program, then what that program reads."""
    package = Path(str(files("fpc")))
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="fpc-measure-") as name:
        write_task(Path(name), content, inputs, plan)
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for module in _MODULES:
                archive.write(package / module, f"fpc/{module}")
            for path in Path(name).iterdir():
                archive.write(path, f"{TASK}/{path.name}")
    program = (package / "measure" / "ssh" / "board_program.py").read_bytes()
    return b"".join(b"%d\n%b" % (len(part), part) for part in (program, packed.getvalue()))


def _unpacked(
    board: Board, packed: bytes, log: bytes, plan: Plan
) -> tuple[tuple[Array, ...], Result]:
    with tempfile.TemporaryDirectory(prefix="fpc-measure-") as name:
        folder = Path(name)
        outcome = _extracted(packed, folder)
        if outcome["lacking"]:
            raise MeasureError(
                "board-lacks",
                f"{board.python} on {board.destination} lacks {' and '.join(outcome['lacking'])}",
                help="install it there, such as by `python3 -m venv fpc-venv` and "
                "`fpc-venv/bin/pip install numpy ai-edge-litert`, and name the interpreter: "
                "--board-python fpc-venv/bin/python",
            )
        if outcome["status"] is None:
            raise timed_out(plan.config.timeout_s)
        if outcome["status"] != 0:
            raise died(outcome["status"], log)
        return read_answer(folder)


def _extracted(packed: bytes, folder: Path) -> dict[str, Any]:
    """The answer's files put into `folder`, and what became of the program."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            for name in set(ANSWER) & set(archive.namelist()):
                archive.extract(name, folder)
            return json.loads(archive.read(OUTCOME))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise MeasureError(
            "runner-answer",
            "the board ended without a readable answer",
            notes=[f"{type(error).__name__}: {error}"],
            help="does something else there write to the standard output?",
        ) from None


def _failed(board: Board, status: int, log: bytes, *, has_started: bool) -> MeasureError:
    if status != _FAILED and has_started:
        return died(128 - status if status > 128 else status, log)
    if status != _FAILED:
        return MeasureError(
            "board-python",
            f"{board.python} does not run on {board.destination}",
            notes=last_lines(log),
            help="measuring needs Python 3.11 or newer there; --board-python names another one, "
            "relative to the home directory",
        )
    if has_started:
        return MeasureError(
            "board-lost",
            f"{board.destination} was lost during the measurement",
            notes=last_lines(log),
            help="did the board restart, or run out of memory? Samples of other models are kept; "
            "measure this one again",
        )
    return MeasureError(
        "board-unreachable",
        f"cannot reach {board.destination}",
        notes=last_lines(log),
        help="`ssh` must get there without a question: try it by hand once, which also shows the "
        "board's key, and install yours with ssh-copy-id; ports and names can be set in "
        "~/.ssh/config",
    )
