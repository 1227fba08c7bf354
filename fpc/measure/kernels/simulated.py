"""Comparing kernels by the cycles that a simulated Cortex-A72 takes for them.

QEMU executes the kernels and counts what they execute; LLVM's model of the processor says how many
cycles that takes (`fpc.measure.emulation.llvm_mca` has the formula). Neither knows of caches: such
cycles tell tiles of one kernel apart, and are no latency.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from fpc.measure.emulation.emulator import TVM, ArmEmulator, guest_environment
from fpc.measure.emulation.executed_blocks import BlockCounter, require_compiler, within
from fpc.measure.emulation.llvm_mca import LlvmMca
from fpc.measure.kernels.exchange import run_kernel_program
from fpc.measure.kernels.here import KERNEL_PROGRAM
from fpc.measure.kernels.protocol import KernelCondition, KernelCosts, KernelTask


@dataclass(frozen=True)
class SimulatedKernelRunner:
    """Runs kernels on an emulated processor, which LLVM must have a model of."""

    emulator: ArmEmulator = field(default_factory=ArmEmulator.counting)
    compiler: str = "cc"

    def condition(self) -> KernelCondition:
        """The processor, emulated; `MissingBackendError` for tools that are not installed."""
        self.emulator.require(TVM)
        self._model.require()
        require_compiler(self.compiler)
        versions = {self.emulator.emulator: self.emulator.version(), "llvm": self._model.version()}
        machine = f"{self._model.processor} (aarch64, simulated)"
        return KernelCondition(machine, "simulated", "cycles", versions)

    def run(self, task: KernelTask) -> KernelCosts:
        """Cycles.

        `MeasureError` also for an emulator that does not count (`measure.qemu-count`) and for code
        that LLVM does not know (`measure.llvm-mca`).
        """
        with tempfile.TemporaryDirectory(prefix="fpc-qemu-") as name:
            counter = BlockCounter.built(Path(name), self.compiler)
            command = (*self.emulator.python(*counter.options), *KERNEL_PROGRAM)
            answer = run_kernel_program(
                command, task, is_timed=False, environment=guest_environment()
            )
            calls = counter.parts(len(answer.found.right))
        cycles = [self._model.cycles(within(call, answer.code)) for call in calls]
        return replace(answer.found, costs=dict(zip(answer.found.right, cycles, strict=True)))

    @property
    def _model(self) -> LlvmMca:
        return LlvmMca(self.emulator.processor)
