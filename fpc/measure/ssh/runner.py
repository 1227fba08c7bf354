"""Measuring on a board: every model in a LiteRT process of its own, over ssh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fpc.measure.answers import clocked, one_by_one
from fpc.measure.process.exchange import Plan
from fpc.measure.protocol import Failure, MeasureConfig, Request, Timing
from fpc.measure.ssh.board import Board, run_on_board


@dataclass(frozen=True)
class SshRunner:
    """Measures with the clock of `board`, in the LiteRT installed there.

    Failures are those of `fpc.measure.ssh.board`, and `measure.wrong-outputs`.
    """

    board: Board

    def run(self, requests: Sequence[Request], config: MeasureConfig) -> Iterator[Timing | Failure]:
        """A timing or a failure for every request; `MissingBackendError` without ssh."""
        return one_by_one(requests, lambda request: self._measure(request, config))

    def _measure(self, request: Request, config: MeasureConfig) -> Timing:
        outputs, result = run_on_board(self.board, request.content, request.inputs, Plan(config))
        return clocked(request, config, outputs, result)
