"""Comparing kernels by this machine's clock."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from fpc.measure.device import device_name
from fpc.measure.kernels import (
    MODULE,
    KernelCondition,
    KernelCosts,
    KernelTask,
    run_kernel_program,
)


@dataclass(frozen=True)
class HostKernelRunner:
    """Runs kernels in turns, in a process of their own."""

    def condition(self) -> KernelCondition:
        """This machine."""
        return KernelCondition(device_name(), "measured", "us")

    def run(self, task: KernelTask) -> KernelCosts:
        """Microseconds."""
        costs, _ = run_kernel_program((sys.executable, "-m", MODULE), task)
        return costs
