"""A farm on loopback: a tracker of TVM, and boards that are servers of TVM on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fpc.diagnostics.errors import MeasureError
from fpc.measure.emulation.emulator import guest_environment
from fpc.measure.tvm_rpc.tracker import Tracker

# TVM's own entry points import torch where they find it, and start one process more.
_TRACKER = """
import sys
sys.modules["torch"] = None
from tvm.rpc.tracker import PopenTrackerServerState
PopenTrackerServerState("127.0.0.1", {port}, {port} + 1, silent=True).thread.join()
"""
_BOARD = """
import sys
sys.modules["torch"] = None
import tvm.rpc.server
{prelude}
tvm.rpc.server.PopenRPCServerState(
    "127.0.0.1", {port}, {port} + 1, tracker_addr=("127.0.0.1", {tracker}), key="{key}", silent=True
).thread.join()
"""


@dataclass
class Farm:
    """A tracker and its boards, each a group of processes."""

    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def start(cls) -> Farm:
        """A tracker without boards."""
        farm = cls(free_port())
        farm.run(sys.executable, "-c", _TRACKER.format(port=farm.port))
        until(lambda: farm.keys() == [])
        return farm

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def reached(self, key: str | None = None) -> Tracker:
        return Tracker("127.0.0.1", self.port, key)

    def keys(self) -> list[str] | None:
        """The keys of the boards, None while nobody answers."""
        try:
            return self.reached().registered()
        except MeasureError:
            return None

    def add_boards(
        self,
        key: str,
        number: int = 1,
        prelude: str = "",
        python: tuple[str, ...] = (sys.executable,),
    ) -> list[subprocess.Popen]:
        """Boards that run `prelude` before they serve, registered; `python` starts their Python."""
        before = len(self.keys())
        programs = [
            _BOARD.format(prelude=prelude, port=free_port(), tracker=self.port, key=key)
            for _ in range(number)
        ]
        boards = [self.run(*python, "-c", program) for program in programs]
        until(lambda: len(self.keys()) == before + number)
        return boards

    def run(self, *words: str) -> subprocess.Popen[bytes]:
        """A process of the farm."""
        environment = {**guest_environment(), "TVM_USE_RUNTIME_LIB": "1"}
        process = subprocess.Popen(
            words,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def kill(self, board: subprocess.Popen[bytes]) -> None:
        """As when its power is cut, and the network notices."""
        os.killpg(board.pid, signal.SIGKILL)
        board.wait()
        self.processes.remove(board)

    def stop(self) -> None:
        for process in tuple(self.processes):
            self.kill(process)


def is_serving(board: subprocess.Popen[bytes]) -> bool:
    """Whether a session is open: each has a process of its own."""
    threads = Path(f"/proc/{board.pid}/task")
    return any((thread / "children").read_text() for thread in threads.iterdir())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
