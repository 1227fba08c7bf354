"""Comparing kernels on a farm of boards that serve TVM's RPC."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from fpc.measure.kernels.exchange import TIMEOUT_S, KernelAnswer, run_kernel_program
from fpc.measure.kernels.protocol import KernelCondition, KernelCosts, KernelTask
from fpc.measure.tvm_rpc.boards import on_some_board
from fpc.measure.tvm_rpc.tracker import Tracker


@dataclass(frozen=True)
class BoardKernelRunner:
    """Times kernels on boards of `tracker`, by the boards' clocks.

    Kernels whose board is lost are compared on another one of the same key. `MeasureError`:
    `measure.tracker-unreachable`, `measure.no-board`, `measure.boards-busy`, `measure.board-lost`
    or `measure.board-runtime`.
    """

    tracker: Tracker
    timeout_s: float = TIMEOUT_S

    def condition(self) -> KernelCondition:
        """The boards, which are told apart by their key only."""
        machine = self._run(KernelTask(b"", (), (), np.zeros((0, 0)), slice(0, 0))).machine
        if machine.is_emulated:
            return KernelCondition(machine.name, "simulated", "emulated_us")
        return KernelCondition(machine.name, "measured", "us")

    def run(self, task: KernelTask) -> KernelCosts:
        """Microseconds; what an emulator takes for them on an emulated board."""
        return self._run(task).found

    def _run(self, task: KernelTask) -> KernelAnswer:
        def run(board: tuple[str, ...]) -> KernelAnswer:
            words = (*board, str(self.timeout_s))
            command = (sys.executable, "-m", "fpc.measure.kernels.board_program", *words)
            return run_kernel_program(command, task, timeout_s=self.timeout_s)

        return on_some_board(self.tracker, self.timeout_s, run)
