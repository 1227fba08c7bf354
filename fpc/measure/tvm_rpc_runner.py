"""Measuring on a farm of boards that serve TVM's RPC."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from fpc.diagnostics.errors import MeasureError, UsageError
from fpc.ir.constant import Array
from fpc.measure.answers import clocked, one_by_one
from fpc.measure.child import TIMEOUT, run_program
from fpc.measure.exchange import Plan, Result
from fpc.measure.protocol import Failure, MeasureConfig, Request, Timing
from fpc.measure.tvm_rpc import LOST, lost
from fpc.measure.tvm_tracker import Tracker

_GONE = f"measure.{LOST}"
_NONE_LEFT = frozenset({"measure.no-board", "measure.boards-busy", "measure.tracker-unreachable"})

_Answer: TypeAlias = tuple[tuple[Array, ...], Result]


@dataclass(frozen=True)
class TvmRpcRunner:
    """Measures artifacts of the back end tvm on boards of `tracker`, with the boards' clocks.

    A model whose board is lost is measured on another one of the same key. Failures are coded
    `measure.tracker-unreachable`, `measure.no-board`, `measure.boards-busy`, `measure.board-lost`,
    `measure.board-runtime`, or as for `fpc.measure.program_runner`.
    """

    tracker: Tracker

    def run(self, requests: Sequence[Request], config: MeasureConfig) -> Iterator[Timing | Failure]:
        """A timing or a failure for every request; `UsageError` for what boards cannot be told."""
        if config.threads > 1 or config.workers > 1 or config.processors:
            raise UsageError(
                "measure-config",
                "a board that serves TVM's RPC runs one network in one thread, where it likes",
                help="leave --threads, --workers and --pin out",
            )
        yield from one_by_one(requests, lambda request: self._measure(request, config))

    def _measure(self, request: Request, config: MeasureConfig) -> Timing:
        outputs, result = self._run(request, config)
        # Frames a second are counted by the clock here, which counts the way to the board too.
        return replace(clocked(request, config, outputs, result), frames_per_second=None)

    def _run(self, request: Request, config: MeasureConfig) -> _Answer:
        try:
            return self._run_once(request, config)
        except MeasureError as error:
            if error.code != _GONE:
                raise
            loss = error
        # Only once more: a network that brings boards down shall not bring down the farm.
        try:
            return self._run_once(request, config)
        except MeasureError as error:
            if error.code not in {_GONE, *_NONE_LEFT}:
                raise
            loss.notes = (*loss.notes, f"tried another board: {error.message}")
            raise loss from None

    def _run_once(self, request: Request, config: MeasureConfig) -> _Answer:
        key = self.tracker.wanted_key()
        board = self.tracker.request(key, config.timeout_s)
        command = (sys.executable, "-m", "fpc.measure.tvm_rpc_program")
        place = (board.host, str(board.port), board.match_key, key)
        try:
            return run_program((*command, *place), request.content, request.inputs, Plan(config))
        except MeasureError as error:
            # A board without power says nothing, which takes as long as a model that is slow.
            if error.code == f"measure.{TIMEOUT}" and not board.answers():
                raise lost(board, error.message) from None
            raise
