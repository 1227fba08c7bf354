"""What commands measure with, by the names that users give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from fpc.cli.options import one_of
from fpc.diagnostics.errors import INTERRUPTED_EXIT_STATUS, MeasureError, UsageError

if TYPE_CHECKING:
    from fpc.measure.protocol import Runner
    from fpc.measure.tvm_rpc.tracker import Tracker

_HOST, _SSH, _QEMU = "host", "ssh:HOST", "qemu"
TVM_RPC = "tvm-rpc:HOST:PORT/KEY"

BoardPython = Annotated[
    str,
    typer.Option(help="Python with LiteRT on the board, relative to the home directory there."),
]


def require_runner(on: str, *others: str, option: str = "on", backend: str | None = None) -> None:
    """`UsageError` unless `on` names a clock or one of the `others` that an option takes.

    Networks compiled by TVM run on this machine, emulated, or on boards of a tracker, which run
    nothing else.
    """
    choices = (_HOST, _SSH, *others)
    if ":" not in on or _kind(on) not in map(_kind, choices):
        one_of(option, on, choices)
    of_tvm = (_HOST, *(choice for choice in choices if choice in {_QEMU, TVM_RPC}))
    if backend == "tvm" and _kind(on) not in map(_kind, of_tvm):
        raise UsageError(
            option,
            f"networks of --backend tvm cannot be measured --{option} {on}",
            help=f"they run --{option} {' or '.join(of_tvm)}",
        )
    if backend not in {None, "tvm"} and _kind(on) == _kind(TVM_RPC):
        raise UsageError(
            option,
            f"networks of --backend {backend} cannot be measured --{option} {on}",
            help="leave --backend out: boards of a TVM RPC tracker run networks of --backend tvm",
        )


def backend_on(on: str, backend: str | None) -> str | None:
    """The back end to compile with for what `on` names: boards of a tracker know TVM only."""
    return "tvm" if _kind(on) == _kind(TVM_RPC) else backend


def clock(on: str, board_python: str, backend: str | None = None) -> Runner:
    """LiteRT here or, for `ssh:HOST`, on a board; TVM here or on the boards of a tracker.

    `MeasureError` for a tracker that is not there or has no such board.
    """
    from fpc.measure.litert.runner import LiteRtRunner
    from fpc.measure.ssh.board import Board
    from fpc.measure.ssh.runner import SshRunner
    from fpc.measure.tvm.runner import TvmRunner
    from fpc.measure.tvm_rpc.runner import TvmRpcRunner
    from fpc.measure.tvm_rpc.tracker import Tracker

    place = on.removeprefix(_kind(on))
    if _kind(on) == _kind(TVM_RPC):
        tracker = Tracker.parse(place)
        tracker.wanted_key()  # raised now rather than after minutes of compiling
        return TvmRpcRunner(tracker)
    if backend == "tvm":
        return TvmRunner()
    if _kind(on) == _kind(_SSH):
        return SshRunner(Board(place, board_python))
    return LiteRtRunner()


def kernel_place(on: str | None) -> Tracker | Literal["host", "qemu"] | None:
    """Where kernels are compared, None for wherever they can be; `UsageError` for other places."""
    from fpc.measure.tvm_rpc.tracker import Tracker

    if on is None:
        return None
    if _kind(on) == _kind(TVM_RPC):
        return Tracker.parse(on.removeprefix(_kind(on)))
    return cast('Literal["host", "qemu"]', one_of("on", on, (_HOST, _QEMU, TVM_RPC)))


def _kind(on: str) -> str:
    """The word before the place, colon included."""
    word, colon, _ = on.partition(":")
    return word + colon


def interrupted(samples: int, database: Path, help: str) -> MeasureError:
    """The error of a run that the user stopped and part of whose work is kept."""
    return _InterruptedError(
        "interrupted",
        f"interrupted; the {samples} samples finished before are in {database}",
        help=help,
    )


class _InterruptedError(MeasureError):
    exit_status = INTERRUPTED_EXIT_STATUS
