"""What commands measure with, by the names that users give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.options import one_of
from fpc.diagnostics.errors import INTERRUPTED_EXIT_STATUS, MeasureError, UsageError

if TYPE_CHECKING:
    from fpc.measure.protocol import Runner

_HOST, _SSH = "host", "ssh:"

BoardPython = Annotated[
    str,
    typer.Option(help="Python with LiteRT on the board, relative to the home directory there."),
]


def require_runner(on: str, *others: str, option: str = "on", backend: str | None = None) -> None:
    """`UsageError` unless `on` names a clock or one of the `others` that an option takes.

    Networks compiled by TVM run on this machine alone.
    """
    if backend == "tvm" and on != _HOST:
        raise UsageError(
            option,
            f"networks of --backend tvm cannot be measured --{option} {on}",
            help=f"they run on this machine: --{option} {_HOST}",
        )
    if not on.startswith(_SSH):
        one_of(option, on, (_HOST, f"{_SSH}HOST", *others))


def clock(on: str, board_python: str, backend: str | None = None) -> Runner:
    """LiteRT on this machine or, for `ssh:HOST`, on a board; TVM on this machine."""
    from fpc.measure.board import Board
    from fpc.measure.litert_runner import LiteRtRunner
    from fpc.measure.ssh_runner import SshRunner
    from fpc.measure.tvm_runner import TvmRunner

    if backend == "tvm":
        return TvmRunner()
    if on.startswith(_SSH):
        return SshRunner(Board(on.removeprefix(_SSH), board_python))
    return LiteRtRunner()


def interrupted(samples: int, database: Path, help: str) -> MeasureError:
    """The error of a run that the user stopped and part of whose work is kept."""
    return _InterruptedError(
        "interrupted",
        f"interrupted; the {samples} samples finished before are in {database}",
        help=help,
    )


class _InterruptedError(MeasureError):
    exit_status = INTERRUPTED_EXIT_STATUS
