"""Work for the boards of a tracker, where one that is lost is replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fpc.diagnostics.errors import MeasureError
from fpc.measure.process.child import TIMEOUT
from fpc.measure.tvm_rpc.model import LOST, lost
from fpc.measure.tvm_rpc.tracker import Tracker

_GONE = f"measure.{LOST}"
_NONE_LEFT = frozenset({"measure.no-board", "measure.boards-busy", "measure.tracker-unreachable"})

AnswerT = TypeVar("AnswerT")


def on_some_board(
    tracker: Tracker, patience_s: float, run: Callable[[tuple[str, ...]], AnswerT]
) -> AnswerT:
    """What `run` gives on a board, on another one where that is lost.

    It gets what a program needs as its words to find the board: the address, what opens its door,
    and the key by which it is known. A board is waited for so many seconds.
    """
    try:
        return _once(tracker, patience_s, run)
    except MeasureError as error:
        if error.code != _GONE:
            raise
        loss = error
    # Only once more: what brings boards down shall not bring down the farm.
    try:
        return _once(tracker, patience_s, run)
    except MeasureError as error:
        if error.code not in {_GONE, *_NONE_LEFT}:
            raise
        loss.notes = (*loss.notes, f"tried another board: {error.message}")
        raise loss from None


def _once(
    tracker: Tracker, patience_s: float, run: Callable[[tuple[str, ...]], AnswerT]
) -> AnswerT:
    key = tracker.wanted_key()
    board = tracker.request(key, patience_s)
    try:
        return run((*board.words, key))
    except MeasureError as error:
        # A board without power says nothing, which takes as long as work that is slow.
        if error.code == f"measure.{TIMEOUT}" and not board.answers():
            raise lost(board, error.message) from None
        raise
