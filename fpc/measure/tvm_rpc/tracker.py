"""Asking a TVM RPC tracker for a board, without TVM.

Boards register with the tracker by a key that says what they are; clients ask it for any board of a
key. A message is its length in four bytes and JSON (`tvm.rpc.base` and `tvm.rpc.tracker` of TVM
0.27 describe the protocol).
"""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from fpc.diagnostics.errors import MeasureError, UsageError

_MAGIC = 0x2F271
_REQUEST, _SUMMARY = 4, 6
_SUCCESS = 0
_PRIORITY = 1
_SERVER = "server:"
_LARGEST_MESSAGE = 1 << 20
_CONNECT_S = 10.0
_PROBE_S = 2.0

_PLACE = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:/\s\[\]]+):(\d{1,5})(?:/(\S+))?")


@dataclass(frozen=True)
class RegisteredBoard:
    """A board that the tracker gives away once: `match_key` opens its door."""

    host: str
    port: int
    match_key: str

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def of_words(cls, words: Sequence[str]) -> Self:
        """What `words` said."""
        host, port, match_key = words
        return cls(host, int(port), match_key)

    @property
    def words(self) -> tuple[str, str, str]:
        """The board on a command line."""
        return (self.host, str(self.port), self.match_key)

    def answers(self) -> bool:
        """Whether anything still listens there."""
        try:
            socket.create_connection((self.host, self.port), _PROBE_S).close()
        except OSError:
            return False
        return True


@dataclass(frozen=True)
class Tracker:
    """A tracker, and the key of the boards that are wanted of it; None for the only one it has."""

    host: str
    port: int
    key: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`HOST:PORT/KEY` or `HOST:PORT`; `UsageError` for anything else."""
        found = _PLACE.fullmatch(text)
        if found is None or not 0 < int(found[2]) < 1 << 16:
            raise UsageError(
                "tracker",
                f"`{text}` names no tracker",
                help="write HOST:PORT/KEY: --on tvm-rpc:192.168.1.2:9190/rpi4",
            )
        return cls(found[1].strip("[]"), int(found[2]), found[3])

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def registered(self) -> list[str]:
        """The keys of all boards, busy or not; `MeasureError` (`measure.tracker-unreachable`)."""
        with self._connected() as connection:
            servers = connection.ask(_SUMMARY)["server_info"]
        return sorted(server["key"].removeprefix(_SERVER) for server in servers)

    def wanted_key(self) -> str:
        """The key of the boards to ask for.

        `MeasureError` (`measure.no-board`) when no board has it, or when several keys are
        registered and none was chosen.
        """
        known = list(dict.fromkeys(self.registered()))
        if self.key in known:
            return self.key
        if self.key is None and len(known) == 1:
            return known[0]
        notes = [f"registered: {', '.join(known) or 'none'}"]
        if self.key is None and known:
            raise MeasureError(
                "no-board",
                f"the tracker at {self} has boards of several keys, and none was chosen",
                notes=notes,
                help=f"add the key: --on tvm-rpc:{self}/{known[0]}",
            )
        wanted = "board" if self.key is None else f"board of the key `{self.key}`"
        raise MeasureError(
            "no-board",
            f"no {wanted} is registered with the tracker at {self}",
            notes=notes,
            help=f"start the server on the board: python -m tvm.exec.rpc_server --tracker={self} "
            f"--key={self.key or 'KEY'}",
        )

    def request(self, key: str, patience_s: float) -> RegisteredBoard:
        """A board of `key`, as soon as one is free; `MeasureError` (`measure.boards-busy`)."""
        with self._connected() as connection:
            connection.wait(patience_s)
            try:
                host, port, match_key = connection.ask(_REQUEST, key, "", _PRIORITY)
            except TimeoutError:
                raise MeasureError(
                    "boards-busy",
                    f"no board of the key `{key}` was free within {patience_s:g} s",
                    help="`python -m tvm.exec.query_rpc_tracker` shows who waits; --timeout waits "
                    "longer",
                ) from None
        return RegisteredBoard(host, port, match_key)

    @contextmanager
    def _connected(self) -> Generator[_Connection]:
        try:
            with socket.create_connection((self.host, self.port), _CONNECT_S) as door:
                yield _Connection.opened(door)
        except (OSError, ValueError) as error:
            raise MeasureError(
                "tracker-unreachable",
                f"there is no TVM RPC tracker to be reached at {self}",
                notes=[str(error) or type(error).__name__],
                help=f"start one: python -m tvm.exec.rpc_tracker --port {self.port} "
                f"--port-end {self.port + 1}",
            ) from None


@dataclass(frozen=True)
class _Connection:
    """Questions and answers. `OSError` when it breaks, `ValueError` for what is no tracker."""

    door: socket.socket

    @classmethod
    def opened(cls, door: socket.socket) -> Self:
        connection = cls(door)
        door.sendall(struct.pack("<i", _MAGIC))
        if connection._number() != _MAGIC:
            raise ValueError("what answers there is no tracker")
        return connection

    def wait(self, patience_s: float) -> None:
        """Let answers take so long."""
        self.door.settimeout(patience_s)

    def ask(self, *question: object) -> Any:
        """The answer to `question`."""
        text = json.dumps(question).encode()
        self.door.sendall(struct.pack("<i", len(text)) + text)
        length = self._number()
        if not 0 < length <= _LARGEST_MESSAGE:
            raise ValueError("what answers there is no tracker")
        code, answer = json.loads(self._read(length))
        if code != _SUCCESS:
            raise ValueError(f"the tracker refused with the code {code}")
        return answer

    def _number(self) -> int:
        return struct.unpack("<i", self._read(4))[0]

    def _read(self, length: int) -> bytes:
        content = b""
        while len(content) < length:
            part = self.door.recv(length - len(content))
            if not part:
                raise ConnectionError("the connection was closed")
            content += part
        return content
