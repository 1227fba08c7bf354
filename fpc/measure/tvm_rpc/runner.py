"""Measuring on a farm of boards that serve TVM's RPC."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from fpc.diagnostics.errors import UsageError
from fpc.ir.constant import Array
from fpc.measure.answers import clocked, one_by_one
from fpc.measure.process.child import run_program
from fpc.measure.process.exchange import Plan, Result
from fpc.measure.protocol import Failure, MeasureConfig, Request, Timing
from fpc.measure.tvm_rpc.boards import on_some_board
from fpc.measure.tvm_rpc.tracker import Tracker

_Answer: TypeAlias = tuple[tuple[Array, ...], Result]


@dataclass(frozen=True)
class TvmRpcRunner:
    """Measures artifacts of the back end tvm on boards of `tracker`, with the boards' clocks.

    A model whose board is lost is measured on another one of the same key. Failures are coded
    `measure.tracker-unreachable`, `measure.no-board`, `measure.boards-busy`, `measure.board-lost`,
    `measure.board-runtime`, or as for `fpc.measure.process.runner`.
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
        def run(board: tuple[str, ...]) -> _Answer:
            command = (sys.executable, "-m", "fpc.measure.tvm_rpc.program", *board)
            return run_program(command, request.content, request.inputs, Plan(config))

        return on_some_board(self.tracker, config.timeout_s, run)
