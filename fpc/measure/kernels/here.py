"""Comparing kernels by this machine's clock."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from fpc.measure.device import device_name
from fpc.measure.kernels.exchange import run_kernel_program
from fpc.measure.kernels.protocol import KernelCondition, KernelCosts, KernelTask

KERNEL_PROGRAM = ("-m", "fpc.measure.kernels.program")


@dataclass(frozen=True)
class HostKernelRunner:
    """Runs kernels in turns, in a process of their own."""

    def condition(self) -> KernelCondition:
        """This machine."""
        return KernelCondition(device_name(), "measured", "us")

    def run(self, task: KernelTask) -> KernelCosts:
        """Microseconds."""
        return run_kernel_program((sys.executable, *KERNEL_PROGRAM), task).found
