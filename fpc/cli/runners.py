"""What commands measure with, by the names that users give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.options import one_of
from fpc.diagnostics.errors import INTERRUPTED_EXIT_STATUS, MeasureError

if TYPE_CHECKING:
    from fpc.measure.protocol import Runner

_HOST, _SSH = "host", "ssh:"

BoardPython = Annotated[
    str,
    typer.Option(help="Python with LiteRT on the board, relative to the home directory there."),
]


def require_runner(on: str, *others: str, option: str = "on") -> None:
    """`UsageError` unless `on` names a clock or one of the `others` that an option takes."""
    if not on.startswith(_SSH):
        one_of(option, on, (_HOST, f"{_SSH}HOST", *others))


def clock(on: str, board_python: str) -> Runner:
    """LiteRT on this machine or, for `ssh:HOST`, on a board."""
    from fpc.measure.board import Board
    from fpc.measure.litert_runner import LiteRtRunner
    from fpc.measure.ssh_runner import SshRunner

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
